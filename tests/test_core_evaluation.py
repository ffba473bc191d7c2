"""smcd evaluate tells a video that follows its boxes from one that does not, and puts numbers beside each other."""

import argparse
import errno
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_bundle import write_bundle

from smcd_core.__main__ import main
from smcd_core.commands import evaluate
from smcd_core.commands.evaluate_options import DEFAULTS, OF_CHECKPOINTS, OF_VIDEOS
from smcd_core.data import Clip, FolderClips, SyntheticClips
from smcd_core.evaluation import finished_videos, scores
from smcd_core.evaluation.finished_videos import VideoSources
from smcd_core.evaluation.metrics import SIZES, frechet_distance, grounding
from smcd_core.evaluation.scores import (
    EVALUATION_ROWS,
    ScoringNetworks,
    fvd,
    generate_rows,
    request_of,
    score,
    score_row,
)
from smcd_core.evaluation.sensitivity import still_boxes
from smcd_core.evaluation.tables import COLUMNS, LOWER_IS_BETTER, legend, table
from smcd_core.sampling.diffusion import Guidance
from smcd_core.sampling.pipeline import SMCDPipeline
from smcd_core.trajectory.dense import boxes_at
from smcd_core.trajectory.write import write_json
from smcd_core.video import write_video

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "demo"
sys.path.append(str(ROOT / "docs"))
import options as command_options  # noqa: E402  docs/options.py


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.safetensors")


def clips(count: int = 2, **options) -> SyntheticClips:
    return SyntheticClips(count, split="validation", **options)


def read_videos(*arguments, **options):
    """Videos by key, the clip of each, and the boxes found in each."""
    read = list(finished_videos.read_videos(*arguments, **options))
    found = None if read[0].found is None else [one.found for one in read]
    return {one.key: one.frames for one in read}, [one.clip for one in read], found


def test_a_request_carries_the_boxes_of_its_clip_exactly():
    clip = clips()[0]
    boxes, mask = boxes_at(request_of(clip).trajectory.to_trajectory(0.0))
    assert np.array_equal(mask.numpy(), clip.mask)
    # The document keeps the shortest decimals that stand for the float32 values.
    assert np.allclose(boxes.numpy()[clip.mask], clip.boxes_xyxy[clip.mask], atol=1e-6)


def test_the_clip_itself_scores_best_and_its_first_frame_loses_track():
    clip = clips()[0]
    itself, still = score(clip.frames, clip), score(np.repeat(clip.frames[:1], 8, 0), clip)
    assert itself["ao"] > 0.9 and itself["color"] == 1 and itself["background_psnr"] == np.inf
    assert still["ao_frames"][0] > 0.9 and still["ao_last"] < 0.7 * itself["ao_last"]


@pytest.mark.slow
def test_every_row_is_scored_on_the_same_clips(bundle):
    pipeline = SMCDPipeline.from_checkpoint(bundle)
    side = pipeline.defaults["width"]
    done, real = [], clips(3, size=side, num_frames=2)
    videos = generate_rows(pipeline, real, steps=1, guidance=Guidance(), batch_size=2, progress=done.append)
    assert sum(done) == 6 and list(videos) == list(EVALUATION_ROWS)
    assert all(len(videos[name]) == 3 and videos[name][0].shape == (2, side, side, 3) for name in EVALUATION_ROWS)
    results = {name: score_row(videos[name], real) for name in EVALUATION_ROWS}
    assert results["truth"].scores["ao"] > results["chance"].scores["ao"]
    assert len(results["smcd"].scores["ao_frames"]) == 2
    grounding_table, picture_table = table(results, EVALUATION_ROWS).split("\n\n")
    assert grounding_table.count("\n") == picture_table.count("\n") == 1 + len(EVALUATION_ROWS)


def test_boxes_dropped_means_that_the_model_does_not_see_them(bundle):
    pipeline = SMCDPipeline.from_checkpoint(bundle)
    options = dict(steps=1, guidance=Guidance())
    side = pipeline.defaults["width"]
    one, other = clips(size=side, num_frames=2)
    videos = generate_rows(pipeline, [one], **options)
    elsewhere = replace(request_of(one), trajectory=request_of(other).trajectory)
    seen, unseen = (
        pipeline.generate([replace(elsewhere, use_boxes=use)], width=side, height=side, **options)[0]
        for use in (True, False)
    )
    assert np.array_equal(unseen, videos["no_boxes"][0]) and not np.array_equal(seen, videos["smcd"][0])


def test_the_overlap_of_a_row_is_one_over_all_boxes_and_has_an_interval():
    """A clip of 8 boxes that are met beside one of 2 that are missed."""
    boxes = np.tile(np.float32([0, 0, 0.5, 0.5]), (8, 1, 1))
    long = Clip(np.zeros((0, 16, 16, 3), np.uint8), boxes, np.ones((8, 1), bool), ("dog",), "a dog")
    short = replace(long, boxes_xyxy=boxes[:2], mask=long.mask[:2])
    videos = [np.zeros((frames, 16, 16, 3), np.uint8) for frames in (8, 2)]
    row = score_row(videos, [long, short], found=[boxes, np.zeros((2, 1, 4))])
    assert row.scores["ao"] == row.scores["sr75"] == row.scores["ao_large"] == 0.8 and row.scores["boxes"] == 10
    assert row.intervals["ao"] == (0.0, 1.0)  # in a quarter of the draws each there are only met or only missed boxes
    assert row.scores["ao_frames"] == [0.5, 0.5] + [1.0] * 6
    assert "first_frame_psnr" not in row.scores  # there is no reference
    assert "0.800 (0.000 to 1.000)" in table({"a": row}, {"a": "method"})


def test_colours_that_drift_show_in_the_score():
    clip = clips()[0]
    darker = clip.frames * np.linspace(1, 0.4, 8)[:, None, None, None]
    fading = score(darker.astype(np.uint8), clip)
    assert score(clip.frames, clip)["color_drift"] < 3 < 15 < fading["color_drift"] < fading["color_drift_last"]
    assert fading["color_drift_frames"][2] < fading["color_drift_frames"][6]


def sizes_of(clip: Clip) -> set[str]:
    scores = grounding(clip.boxes_xyxy, clip.boxes_xyxy, clip.mask)
    return {size for size in SIZES if scores[f"boxes_{size}"]}


def test_small_objects_that_are_overlooked_show_in_the_score():
    both = (clip for clip in clips(20) if {"small", "medium"} <= sizes_of(clip))
    clip = next(both)
    area = (clip.boxes_xyxy[..., 2:] - clip.boxes_xyxy[..., :2]).prod(-1)
    shown = np.where((area**0.5 < 0.25)[..., None], 0, clip.boxes_xyxy)
    scores = score(clip.frames, clip, found=shown)
    assert scores["ao_small"] == 0 and scores["ao_medium"] == pytest.approx(1)


class Colors:
    """Features that can be written down: the mean colour, of length 1."""

    def images(self, frames):
        means = frames.reshape(len(frames), -1, 3).mean(1)
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def texts(self, sentences):
        return np.array([{"red": (1.0, 0, 0)}[sentence] for sentence in sentences])


def test_features_are_compared_with_the_first_frame_and_the_prompt():
    video = np.zeros((2, 16, 16, 3), np.uint8)
    video[0, ..., 0] = video[1, ..., 1] = 200  # red, then green
    clip = Clip(video[:1], np.zeros((2, 0, 4), np.float32), np.zeros((2, 0), bool), (), "red")
    scores = score(video, clip, ScoringNetworks(clip=Colors(), dino=Colors(), lpips=lambda image, reference: 0.25))
    assert scores["clip_first"] == scores["dino_first"] == pytest.approx(1)
    assert scores["clip_frames"] == scores["dino_frames"] == scores["clip_sim"] == pytest.approx(0.5)
    assert scores["first_frame_lpips"] == 0.25 and scores["first_frame_ssim"] == 1
    assert "background_psnr" not in scores  # the reference is a first frame alone


def test_a_detector_takes_the_place_of_colours():
    clip = clips()[0]
    nothing = {phrase: (np.zeros((0, 4)), np.zeros(0)) for phrase in clip.phrases}
    blind = ScoringNetworks(detector=lambda frames, phrases: [nothing] * len(frames))
    assert score(clip.frames, clip, blind)["ao"] == 0 < score(clip.frames, clip)["ao"]


def test_the_frechet_video_distance_has_an_interval_around_it():
    rng = np.random.default_rng(0)
    videos = [np.full((2, 4, 4, 3), value) for value in rng.normal(100, 10, 40)]
    shifted = [video + 30 for video in videos]

    def network(video):
        return np.array([video.mean(), video.std()])

    distance, (low, high) = fvd(videos, shifted, network)
    expected = frechet_distance(*(np.stack([network(v) for v in part]) for part in (videos, shifted)))
    assert distance == pytest.approx(expected) == pytest.approx(900) and low <= distance <= high
    noisy = [video + noise for video, noise in zip(videos, rng.normal(30, 10, 40))]
    distance, (low, high) = fvd(videos, noisy, network)
    assert low < distance < high


def test_the_command_writes_scores_plots_and_pictures(bundle, tmp_path, capsys):
    arguments = ["evaluate", "--checkpoint", str(bundle), "--clips", "2", "--steps", "1", "--out", str(tmp_path / "e")]
    assert main(arguments) == 0
    written = json.loads((tmp_path / "e" / "scores.json").read_text(), parse_constant=pytest.fail)
    assert written["settings"]["split"] == "test" and written["settings"]["clips"] == 2
    assert 0 <= written["scores"]["smcd"]["ao"] <= 1 and len(written["by_clip"]["smcd"]) == 2
    low, high = written["intervals"]["smcd"]["ao"]
    assert low <= written["scores"]["smcd"]["ao"] <= high
    assert {path.name for path in (tmp_path / "e").iterdir()} == {
        "scores.json", "scores.md", "ao_by_frame.png", "ao_by_size.png", "color_drift.png", "clip00.png", "clip01.png",
    }  # fmt: skip
    assert "| first frame repeated |" in capsys.readouterr().out


def test_one_clip_has_no_other_clip_and_no_interval(bundle, tmp_path, capsys):
    arguments = ["evaluate", "--checkpoint", str(bundle), "--clips", "1", "--steps", "1", "--out", str(tmp_path)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert said == (tmp_path / "scores.md").read_text(encoding="utf-8") + f"scores, plots and pictures: {tmp_path}\n"
    assert "first frame repeated" in said and "another clip" not in said and " to 0" not in said and " to 1" not in said
    assert "chance" not in json.loads((tmp_path / "scores.json").read_text())["scores"]


def test_the_tables_say_of_how_many_clips_they_are_and_which_way_is_better(bundle):
    real = clips(2, size=16, num_frames=2)
    row = score_row([clip.frames for clip in real], real)
    assert legend({"a": row}) == (
        "2 clips, with 95 % intervals in brackets. ↑: higher is better, ↓: lower is better. "
        "docs/metrics.md explains the numbers."
    )
    headings = table({"a": row}, {"a": "a"})
    assert "| AO ↑ |" in headings and "| centroid distance ↓ |" in headings and "| colour drift ↓ |" in headings
    assert {score for columns in COLUMNS for score, *_ in columns} > LOWER_IS_BETTER


@pytest.mark.slow
def test_the_command_measures_the_sensitivity_of_a_checkpoint(bundle, tmp_path):
    arguments = ["evaluate", "--checkpoint", str(bundle), "--clips", "1", "--steps", "1", "--out", str(tmp_path)]
    assert main([*arguments, "--sensitivity"]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]
    assert scores["smcd"]["change_inside"] > 0 and "change_inside" not in scores["no_boxes"]
    assert "localisation IoU" in (tmp_path / "scores.md").read_text()


# Finished videos -----------------------------------------------------------------------------------------------------

SIZE = 64


def write_folders(root, *, count: int = 2, carried: bool = False) -> list[Clip]:
    """ours/ and theirs/ (whose objects stand still), boxes/ and real/, of two synthetic clips."""
    made = [clip for clip in clips(count, size=SIZE)]
    for number, clip in enumerate(made):
        trajectory = request_of(clip).trajectory.to_trajectory(0.0)
        told = {"trajectory": trajectory.to_dict(), "settings": {"prompt": clip.caption}} if carried else {}
        still = np.repeat(clip.frames[:1], len(clip.frames), 0)
        for name, video in (("ours", clip.frames), ("theirs", still), ("real", clip.frames)):
            (root / name).mkdir(exist_ok=True)
            write_video(video, root / name / f"clip{number}", 8, told)
        (root / "boxes").mkdir(exist_ok=True)
        write_json(root / "boxes" / f"clip{number}.json", trajectory)
    return made


def test_finished_videos_are_read_with_their_boxes_references_and_prompts(tmp_path):
    made = write_folders(tmp_path)
    sources = VideoSources(tmp_path / "boxes", tmp_path / "real", {"clip0": "one", "clip1": "two"})
    videos, read, found = read_videos(tmp_path / "ours", sources, found=tmp_path / "boxes", size=SIZE)
    assert list(videos) == ["clip0", "clip1"]
    for clip, original, video, boxes in zip(read, made, videos.values(), found, strict=True):
        assert np.array_equal(video, original.frames) and np.array_equal(clip.frames, original.frames)
        assert np.array_equal(clip.mask, original.mask) and clip.phrases == original.phrases
        assert np.allclose(clip.boxes_xyxy[clip.mask], original.boxes_xyxy[clip.mask], atol=1e-5)
        assert np.allclose(boxes[clip.mask], clip.boxes_xyxy[clip.mask], atol=1e-6)
    assert [clip.caption for clip in read] == ["one", "two"]


def test_a_video_of_smcd_brings_its_boxes_and_its_prompt(tmp_path):
    made = write_folders(tmp_path, carried=True)
    _, read, found = read_videos(tmp_path / "ours", VideoSources(), size=32)
    assert [clip.caption for clip in read] == [clip.caption for clip in made] and found is None
    assert all(np.array_equal(clip.mask, original.mask) for clip, original in zip(read, made))
    assert read[0].frames.shape == (0, 32, 32, 3)


def test_boxes_beside_a_video_are_named_as_beside_a_clip_and_count_more_than_those_in_it(tmp_path):
    write_folders(tmp_path, carried=True)
    vatic = "".join(f'0 4 6 24 24 {frame} 0 0 0 "cup"\n' for frame in range(8))
    for number in range(2):
        (tmp_path / "ours" / f"clip{number}.boxes.txt").write_text(vatic)
    _, read, _ = read_videos(tmp_path / "ours", VideoSources(), size=SIZE)
    assert all(clip.phrases == ("cup",) for clip in read)
    assert np.allclose(read[0].boxes_xyxy * SIZE, [4, 6, 24, 24])


@pytest.mark.parametrize("settings", ["text", ["list"], {"prompt": 3}, {}])
def test_settings_that_another_program_wrote_into_a_video_are_ignored(settings, tmp_path):
    clip = clips(1, size=SIZE)[0]
    metadata = {"trajectory": request_of(clip).trajectory.to_trajectory(0.0).to_dict(), "settings": settings}
    write_video(clip.frames, tmp_path / "clip", 8, metadata)
    _, (read,), _ = read_videos(tmp_path, VideoSources(), size=32)
    assert read.caption == " and ".join(clip.phrases)


def test_a_first_frame_alone_is_reference_enough(tmp_path):
    made = write_folders(tmp_path)
    (tmp_path / "first").mkdir()
    for number, clip in enumerate(made):
        Image.fromarray(clip.frames[0]).save(tmp_path / "first" / f"clip{number}.png")
    _, read, _ = read_videos(tmp_path / "ours", VideoSources(tmp_path / "boxes", tmp_path / "first"), size=SIZE)
    assert np.array_equal(read[1].frames, made[1].frames[:1])


@pytest.mark.parametrize(
    "damage, message",
    [
        (
            lambda root: (root / "boxes" / "clip1.json").unlink(),
            "boxes: has no boxes for clip1; expected clip1.mot.txt, ",
        ),
        (lambda root: (root / "real" / "clip1" / "0007.png").unlink(), "has 7 frames, the video 8: cut the reference"),
        (lambda root: (root / "ours" / "clip1" / "0007.png").unlink(), "clip1.json: has 8 frames but frames is 7"),
        (lambda root: (root / "real" / "clip0").rename(root / "real" / "other"), "has no reference for clip0"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_named(damage, message, tmp_path):
    write_folders(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=message):
        read_videos(tmp_path / "ours", VideoSources(tmp_path / "boxes", tmp_path / "real"), size=SIZE)


def test_text_beside_a_video_is_its_caption_and_boxes_as_mot_are_found(tmp_path):
    """In a folder of boxes, text is boxes too."""
    write_folders(tmp_path)
    for number in range(2):
        (tmp_path / "ours" / f"clip{number}.txt").write_text("a caption")
    with pytest.raises(ValueError, match="clip0; expected clip0.mot.txt, clip0.json, .*, a folder clip0 with"):
        read_videos(tmp_path / "ours", VideoSources(), size=SIZE)
    lines = "\n".join(f"{frame + 1},1,4,6,20,18,1,-1,-1,-1" for frame in range(8))
    (tmp_path / "text").mkdir()
    for number in range(2):
        (tmp_path / "ours" / f"clip{number}.mot.txt").write_text(lines)
        (tmp_path / "text" / f"clip{number}.txt").write_text(lines)
    boxes = [
        read_videos(tmp_path / "ours", VideoSources(folder), size=SIZE)[1][0].boxes_xyxy
        for folder in (None, tmp_path / "text")
    ]
    assert np.array_equal(*boxes) and boxes[0].shape == (8, 1, 4)


def test_the_command_compares_methods(tmp_path, capsys):
    write_folders(tmp_path)
    folders = {name: str(tmp_path / name) for name in ("ours", "theirs", "real", "boxes")}
    arguments = ["evaluate", "--videos", folders["ours"], folders["theirs"], "--trajectories", folders["boxes"]]
    arguments += ["--references", folders["real"], "--size", str(SIZE)]
    assert main([*arguments, "--found", folders["boxes"], folders["boxes"], "--out", str(tmp_path / "found")]) == 0
    written = json.loads((tmp_path / "found" / "scores.json").read_text())
    assert written["scores"]["ours"]["ao"] == pytest.approx(1) and list(written["scores"]) == ["ours", "theirs"]
    assert written["scores"]["ours"]["object_psnr"] is None  # infinite, as nothing differs
    assert written["scores"]["theirs"]["object_psnr"] < 20
    assert written["scores"]["ours"]["object_ssim"] == written["scores"]["ours"]["background_ssim"] == 1
    assert written["scores"]["theirs"]["object_ssim"] < 0.9
    assert (tmp_path / "found" / "ao_by_size.png").is_file()
    assert "| theirs |" in capsys.readouterr().out

    assert main([*arguments, "--out", str(tmp_path / "unfound")]) == 0  # nothing tells where the objects are
    written = json.loads((tmp_path / "unfound" / "scores.json").read_text())
    assert list(written["scores"]) == ["ours", "theirs", "(references)"] and "ao" not in written["scores"]["ours"]


def test_the_command_compares_with_the_same_request_and_other_boxes(tmp_path):
    """A model that follows its boxes, and one that ignores them."""
    made = write_folders(tmp_path)
    (tmp_path / "still boxes").mkdir()
    for number, clip in enumerate(made):
        still = replace(clip, boxes_xyxy=still_boxes(clip.boxes_xyxy, clip.mask))
        write_json(tmp_path / "still boxes" / f"clip{number}.json", request_of(still).trajectory.to_trajectory(0.0))
    ours, theirs, boxes, others = (str(tmp_path / name) for name in ("ours", "theirs", "boxes", "still boxes"))
    arguments = ["evaluate", "--videos", ours, theirs, "--trajectories", boxes, "--size", str(SIZE)]
    arguments += ["--counterfactuals", theirs, theirs, "--out", str(tmp_path / "out")]
    assert main([*arguments, "--counterfactual-trajectories", others]) == 0
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())["scores"]
    assert scores["ours"]["change_inside"] > 10 * scores["ours"]["leakage"] and scores["ours"]["localization_iou"] > 0.3
    assert scores["theirs"]["change_inside"] == scores["theirs"]["leakage"] == 0
    assert main([*arguments, "--counterfactual-trajectories", boxes]) == 2


def test_the_command_scores_points_and_places_methods_between_floor_and_ceiling(tmp_path):
    write_folders(tmp_path)
    for name, away in (("asked", 0), ("exact", 0), ("off", 3)):
        (tmp_path / name).mkdir()
        for number in range(2):
            np.save(tmp_path / name / f"clip{number}.npy", np.full((8, 2, 2), 20.0 + away))
    (tmp_path / "none").mkdir()
    for number in range(2):  # nothing is found in theirs
        text = (tmp_path / "boxes" / f"clip{number}.json").read_text()
        document = json.loads(text)
        for track in document["objects"]:
            track["keys"] = [key | {"box": [0, 0, 0.02, 0.02]} for key in track["keys"]]
        (tmp_path / "none" / f"clip{number}.json").write_text(json.dumps(document))
    place = {path.name: str(path) for path in tmp_path.iterdir()}
    arguments = ["evaluate", "--videos", place["ours"], place["theirs"], "--trajectories", place["boxes"]]
    arguments += ["--found", place["boxes"], place["none"], "--size", "32", "--out", str(tmp_path / "out")]
    arguments += ["--floor", place["theirs"], "--ceiling", place["ours"], "--points", place["asked"]]
    assert main([*arguments, "--found-points", place["exact"], place["off"]]) == 0
    written = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert written["scores"]["ours"]["epe"] == 0 and written["scores"]["theirs"]["epe"] == pytest.approx(18**0.5)
    assert written["between"]["ours"]["ao"] == 1 and written["between"]["theirs"]["ao"] == 0
    assert "share of the way from theirs to ours" in (tmp_path / "out" / "scores.md").read_text()
    assert main([*arguments, "--found-points", place["exact"], place["boxes"]]) == 2


def found_boxes(folder, change):
    """Files of found boxes, the asked ones with changes: of the clip's number and its document."""
    (folder / "found").mkdir()
    for number in range(2):
        document = json.loads((folder / "boxes" / f"clip{number}.json").read_text())
        change(number, document)
        (folder / "found" / f"clip{number}.json").write_text(json.dumps(document))
    place = {path.name: str(path) for path in folder.iterdir()}
    arguments = ["evaluate", "--videos", place["ours"], "--trajectories", place["boxes"], "--found", place["found"]]
    return [*arguments, "--size", str(SIZE), "--out", str(folder / "out")]


def test_labels_of_found_boxes_that_are_no_phrase_are_remarked(tmp_path, capsys):
    """The scores of these objects were 0 without a word."""

    def mislabel(number, document):
        if number == 1:
            document["objects"][0]["phrase"] = "sports ball"

    write_folders(tmp_path)
    assert main(found_boxes(tmp_path, mislabel)) == 0
    said = capsys.readouterr().err
    assert "smcd: ours: found boxes are labelled 'sports ball' where phrases are '" in said
    assert "in 1 of 2 videos: these objects count as not found. Name them alike, or leave the labels out" in said


def test_labels_may_differ_in_capitals_and_be_of_objects_without_a_phrase(tmp_path, capsys):
    def shout(number, document):
        for track in document["objects"]:
            track["phrase"] = track["phrase"].upper() if number else "thing"

    write_folders(tmp_path)
    path = tmp_path / "boxes" / "clip0.json"
    document = json.loads(path.read_text())
    unnamed = [track | {"phrase": ""} for track in document["objects"]]
    path.write_text(json.dumps(document | {"objects": unnamed}))
    assert main(found_boxes(tmp_path, shout)) == 0
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["scores"]["ours"]["ao"] == pytest.approx(1)
    assert "labelled" not in capsys.readouterr().err


def test_remarks_on_files_of_boxes_are_said(tmp_path, capsys):
    """Frames that no tracker saw counted as found, as straight lines joined the rows, without a word."""
    write_folders(tmp_path)
    (tmp_path / "boxes" / "clip0.json").unlink()
    (tmp_path / "boxes" / "clip0.csv").write_text("frame,x1,y1,x2,y2\n0,0,0,9,9\n4,2,2,11,11\n7,4,4,13,13\n")
    place = {path.name: str(path) for path in tmp_path.iterdir()}
    arguments = ["evaluate", "--videos", place["ours"], place["theirs"], "--trajectories", place["boxes"]]
    arguments += ["--found", place["boxes"], place["boxes"], "--size", str(SIZE), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    said = capsys.readouterr().err
    assert "clip0.csv: CSV: 1 object" in said
    assert said.count("rows in frames 0, 4 and 7 only: straight lines between") == 1  # of one file


def test_scores_of_pixels_count_the_videos_that_have_one(tmp_path, capsys):
    """One wrong video of two looked worse than two that are a little off."""
    write_folders(tmp_path)
    shutil.rmtree(tmp_path / "theirs" / "clip0")
    shutil.copytree(tmp_path / "ours" / "clip0", tmp_path / "theirs" / "clip0")
    place = {path.name: str(path) for path in tmp_path.iterdir()}
    arguments = ["evaluate", "--videos", place["theirs"], "--trajectories", place["boxes"], "--size", str(SIZE)]
    assert main([*arguments, "--references", place["real"], "--out", str(tmp_path / "out")]) == 0
    expected = "smcd: theirs: object_psnr is of 1 of 2 videos, as the others equal their reference there"
    assert expected in capsys.readouterr().err


def test_boxes_and_tracks_are_written_for_trackeval(tmp_path):
    made = write_folders(tmp_path)
    place = {path.name: str(path) for path in tmp_path.iterdir()}
    arguments = [
        "evaluate",
        "--videos",
        place["ours"],
        place["theirs"],
        "--trajectories",
        place["boxes"],
        "--size",
        "32",
    ]
    arguments += ["--found", place["boxes"], place["boxes"], "--out", str(tmp_path / "out")]
    assert main([*arguments, "--mot", str(tmp_path / "mot")]) == 0
    truth, methods = tmp_path / "mot" / "gt", tmp_path / "mot" / "trackers" / "SMCD-all"
    assert (truth / "seqmaps" / "SMCD-all.txt").read_text() == "name\nclip0\nclip1\n"
    for number, clip in enumerate(made):
        lines = (truth / "SMCD-all" / f"clip{number}" / "gt" / "gt.txt").read_text().splitlines()
        rows = [[float(cell) for cell in line.split(",")] for line in lines]
        assert [(frame - 1, n - 1) for frame, n, *_ in rows] == [tuple(pair) for pair in np.argwhere(clip.mask)]
        for frame, n, left, top, width, height, *_ in rows:
            box = np.array([left, top, left + width, top + height]) / SIZE
            assert np.allclose(box, clip.boxes_xyxy[int(frame) - 1, int(n) - 1], atol=1e-5)
        assert "seqLength=8" in (truth / "SMCD-all" / f"clip{number}" / "seqinfo.ini").read_text()
        for method in ("ours", "theirs"):
            assert (methods / method / "data" / f"clip{number}.txt").read_text().splitlines() == lines


@pytest.mark.parametrize(
    "more, message",
    [
        (["--by-color", "--found", "a"], "--found and --by-color both say where the objects are: give one of them"),
        (["--found", "a", "--detector", "b"], "--detector and --found both say where the objects are"),
        (["--points", "a", "--found-points", "a"], "a: has no points for clip0; expected clip0.json or clip0.npy"),
        (["--floor", "a"], "--floor a: is none of the folders of --videos"),
        (["--counterfactuals", "a", "b"], "--counterfactuals names 2 folders, --videos 1"),
        (["--counterfactuals", "a"], "a: has no counterfactual for clip0; expected a video or a folder of frames"),
        (["--found", "a", "b"], "--found names 2 folders, --videos 1"),
        (["--detector", "nowhere"], "nowhere: is no folder"),
        (["--references", "a", "--fvd", "nowhere.pt"], "nowhere.pt"),
    ],
)
def test_what_the_command_cannot_do_is_said(more, message, tmp_path, capsys):
    write_folders(tmp_path)
    assert main(["evaluate", "--videos", str(tmp_path / "ours"), "--trajectories", str(tmp_path / "boxes"), *more]) == 2
    assert message in capsys.readouterr().err


# Options that belong together ----------------------------------------------------------------------------------------

OPTIONS = [
    action for name, _, parser in command_options.parsers() if name == "smcd evaluate" for action in parser._actions[1:]
]
ANYWHERE = {
    "videos", "detector", "detector_threshold", "clip", "dino", "lpips", "fvd", "download", "size", "device", "out",
}  # fmt: skip


def words(action: argparse.Action, value: str) -> list[str]:
    """The option with as many values as it takes."""
    count = {None: 1, "+": 1}.get(action.nargs, action.nargs)
    return [action.option_strings[0], *[value] * count]


def test_every_option_is_for_checkpoints_or_for_videos_or_for_both():
    names = [action.dest for action in OPTIONS]
    assert sorted(names) == sorted([*OF_CHECKPOINTS, *OF_VIDEOS, *ANYWHERE])


@pytest.mark.parametrize(
    "action, with_videos",
    [
        pytest.param(action, dest in OF_CHECKPOINTS, id=dest)
        for action, dest in ((action, action.dest) for action in OPTIONS)
        if dest not in ANYWHERE
    ],
)
def test_an_option_of_the_other_kind_of_evaluation_is_refused(action, with_videos, tmp_path, monkeypatch, capsys):
    """Also with the value that it has by default, as --clips 64."""
    monkeypatch.setattr(evaluate, "_animated", lambda args: pytest.fail("scores clips"))
    monkeypatch.setattr(evaluate, "_finished", lambda args: pytest.fail("scores videos"))
    value = action.choices[0] if action.choices else str(DEFAULTS.get(action.dest, 1))
    videos = ["--videos", "ours"] if with_videos else []
    assert main(["evaluate", *videos, *words(action, value), "--out", str(tmp_path / "out")]) == 2
    word = "without" if with_videos else "with"
    said = f"smcd: error: {action.option_strings[0]} applies only {word} --videos\n"
    assert capsys.readouterr().err == said and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "given, message",
    [
        ("--checkpoint F --trajectories videos --clips 1", "--trajectories applies only with --videos"),
        (
            "--trajectories a --prompts b --references c",
            "--trajectories, --references, --prompts apply only",
        ),
        ("--videos V --checkpoint F --clips 3 --seed 9", "--checkpoint, --clips, --seed apply only without --videos"),
        ("--data D --split test", "--split applies only without --data"),
        ("--phrase dog", "--phrase applies only with --data"),
        ("--videos V --prompts a", "--prompts applies only with --clip"),
        ("--videos V --mot a", "--mot applies only with --found"),
        ("--videos V --counterfactual-trajectories a", "applies only with --counterfactuals"),
        ("--videos V --points a", "--points applies only with --found-points"),
        ("--videos V --found-points a", "--found-points applies only with --points"),
        ("--videos V --ceiling V", "--ceiling applies only with --floor"),
        ("--videos V --fvd a", "--fvd applies only with --references"),
        ("--videos V --dino a --lpips a b", "--dino, --lpips apply only with --references"),
        ("--detector-threshold 0.25", "--detector-threshold applies only with --detector"),
        ("--download", "--download applies only with --detector or --clip or --dino"),
        ("--videos V --size 3", "argument --size: '3' is no whole number from 11 to 16384"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(given, message, capsys):
    try:
        assert main(["evaluate", *given.split()]) == 2
    except SystemExit as stop:  # argparse's
        assert stop.code == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_a_size_that_the_model_cannot_have_is_refused_before_the_work(bundle, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scores, "generate_rows", lambda *_, **__: pytest.fail("the work began"))
    arguments = ["evaluate", "--checkpoint", str(bundle), "--clips", "1", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--size", "13"]) == 2
    assert "width is 13, expected a multiple of " in capsys.readouterr().err


def test_finished_videos_are_scored_one_by_one(tmp_path, monkeypatch):
    """A folder of them may be larger than the memory."""
    import gc
    import weakref

    track = {"phrase": "red circle", "keys": [{"frame": 0, "box": [0.1, 0.1, 0.5, 0.5]}]}
    document = {"version": 1, "width": 32, "height": 32, "frames": 2, "objects": [track]}
    for number in range(4):
        frames = np.random.default_rng(number).integers(0, 255, (2, 32, 32, 3), np.uint8)
        write_video(frames, tmp_path / "made" / f"{number}.gif", 8, {})
        (tmp_path / "made" / f"{number}.json").write_text(json.dumps(document))
    alive, read = [], finished_videos.VideoFile.read

    def noted(self, frames, size):
        gc.collect()
        assert sum(one() is not None for one in alive) <= 1
        pixels = read(self, frames, size)
        alive.append(weakref.ref(pixels))
        return pixels

    monkeypatch.setattr(finished_videos.VideoFile, "read", noted)
    assert main(["evaluate", "--videos", str(tmp_path / "made"), "--out", str(tmp_path / "out")]) == 0
    assert len(alive) == 4


# What is missing is said ---------------------------------------------------------------------------------------------


def test_photographs_are_not_scored_by_colour(tmp_path, capsys):
    """Their tables would be full, and the AO of the real video 0.37."""
    image = Image.open(DEMO / "coffee.png").convert("RGB").resize((SIZE, SIZE))
    for name in ("made", "real"):
        write_video(np.stack([np.array(image)] * 8), tmp_path / name / "coffee", 8, {})
    (tmp_path / "boxes").mkdir()
    shutil.copy(DEMO / "coffee.json", tmp_path / "boxes" / "coffee.json")
    place = {path.name: str(path) for path in tmp_path.iterdir()}
    arguments = ["evaluate", "--videos", place["made"], "--trajectories", place["boxes"], "--references", place["real"]]
    assert main([*arguments, "--by-color", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "coffee: --by-color does not find 'cup' in its box of the first frame" in said and said.count("\n") == 1
    assert "give --detector or --found" in said and not (tmp_path / "out").exists()


def test_drawings_are_scored_by_colour(tmp_path, capsys):
    write_folders(tmp_path)
    place = {path.name: str(path) for path in tmp_path.iterdir()}
    arguments = ["evaluate", "--videos", place["ours"], place["theirs"], "--trajectories", place["boxes"]]
    arguments += ["--references", place["real"], "--floor", place["theirs"], "--size", str(SIZE)]
    assert main([*arguments, "--by-color", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "| AO ↑ |" in said and "| share of the way from theirs to (references) |" in said and "No AO" not in said


@pytest.mark.parametrize(
    "more, said",
    [
        ([], "No AO: give --detector, --found or --by-color to find the objects."),
        (["--floor", "theirs"], "No AO, and no share of the way: give --detector, --found or --by-color to find"),
        (
            ["--floor", "theirs", "--by-color"],
            "No share of the way: give real videos of the same length with --references, or with --ceiling.",
        ),
        (
            ["--floor", "ours", "--ceiling", "theirs", "--by-color"],
            "No share of the way: theirs scores no higher than ours.",
        ),
    ],
)
def test_what_the_tables_lack_is_said_in_them(more, said, tmp_path, monkeypatch, capsys):
    write_folders(tmp_path)
    monkeypatch.chdir(tmp_path)
    arguments = ["evaluate", "--videos", "ours", "theirs", "--trajectories", "boxes", "--size", str(SIZE)]
    assert main([*arguments, *more, "--out", "out"]) == 0
    for text in (capsys.readouterr().out, Path("out/scores.md").read_text(encoding="utf-8")):
        assert text.count(said) == 1 and text.count("No ") == 1


def youtube_vis(made: list[Clip], suffix: str = "") -> dict:
    """One file with the boxes of all clips, in pixels."""
    videos, annotations, names = [], [], sorted({phrase for clip in made for phrase in clip.phrases})
    for number, clip in enumerate(made):
        files = [f"clip{number}/{frame:04}.png" for frame in range(len(clip.frames))]
        about = {"width": SIZE, "height": SIZE, "length": len(clip.frames)}
        videos.append({"id": number, "file_names": files, "name": f"clip{number}{suffix}", **about})
        corners = clip.boxes_xyxy * SIZE
        boxes = np.concatenate([corners[..., :2], corners[..., 2:] - corners[..., :2]], -1).tolist()
        for n, phrase in enumerate(clip.phrases):
            rows = [row[n] if seen else None for row, seen in zip(boxes, clip.mask[:, n], strict=True)]
            annotations.append(
                {"id": len(annotations), "video_id": number, "category_id": names.index(phrase), "bboxes": rows}
            )
    return {
        "videos": videos,
        "annotations": annotations,
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
    }


@pytest.mark.parametrize("inside", [True, False])
def test_boxes_of_all_videos_in_one_file_are_read_as_in_training(inside, tmp_path):
    """As `smcd data check` and `smcd finetune` read them."""
    made = write_folders(tmp_path)
    home = tmp_path / ("ours" if inside else "one file")
    home.mkdir(exist_ok=True)
    (home / "instances.json").write_text(json.dumps(youtube_vis(made)))
    _, read, _ = read_videos(tmp_path / "ours", VideoSources(None if inside else home), size=SIZE)
    for clip, trained in zip(read, FolderClips(tmp_path / "ours", size=SIZE) if inside else made, strict=True):
        names = [trained.phrases.index(phrase) for phrase in clip.phrases]  # training takes the largest first
        assert np.allclose(clip.boxes_xyxy, trained.boxes_xyxy[:, names], atol=1e-5)
        assert np.array_equal(clip.mask, trained.mask[:, names])


def test_videos_as_motchallenge_has_them_are_read(tmp_path):
    made = write_folders(tmp_path)
    for number, clip in enumerate(made):
        home = tmp_path / "mot" / f"clip{number}"
        write_video(clip.frames, home / "img1", 8, {})
        (home / "gt").mkdir()
        lines = [f"{frame + 1},1,4,6,20,18,1,1,1" for frame in range(8)]
        (home / "gt" / "gt.txt").write_text("\n".join(lines))
    videos, read, _ = read_videos(tmp_path / "mot", VideoSources(), size=SIZE)
    assert list(videos) == ["clip0", "clip1"] and np.array_equal(videos["clip1"], made[1].frames)
    assert np.allclose(read[0].boxes_xyxy[7, 0] * SIZE, [4, 6, 24, 24], atol=1e-4)


def test_another_json_file_beside_the_videos_holds_no_boxes(tmp_path):
    write_folders(tmp_path)
    (tmp_path / "ours" / "prompts.json").write_text('{"clip0": "a dog"}')
    with pytest.raises(ValueError, match=r"ours: has no boxes for clip0; expected .* all videos.*prompts.json"):
        read_videos(tmp_path / "ours", VideoSources(), size=SIZE)


@pytest.mark.parametrize("name", ["scores.json", "scores.md"])
def test_on_a_full_disk_there_are_both_files_of_scores_or_none(name, tmp_path, monkeypatch, capsys):
    write_folders(tmp_path)
    place = {path.name: str(path) for path in tmp_path.iterdir()}
    write_bytes = Path.write_bytes

    def full(self, content):
        if name in self.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as write and close do, without a name
        return write_bytes(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    arguments = ["evaluate", "--videos", place["ours"], "--trajectories", place["boxes"], "--by-color"]
    assert main([*arguments, "--size", str(SIZE), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.err == f"smcd: error: {tmp_path / 'out' / name}: No space left on device\n"
    assert "| ours |" in said.out  # the scores are not lost
    assert list((tmp_path / "out").iterdir()) == []


# Own clips -----------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_scored_on_own_clips(bundle, tmp_path, capsys):
    """Three videos: with boxes beside it, with boxes in the file of all, and without boxes."""
    made = write_folders(tmp_path)
    data = tmp_path / "ours"
    shutil.copytree(data / "clip0", data / "nothing")
    (data / "nothing.txt").write_text("a caption")
    (data / "instances.json").write_text(json.dumps(youtube_vis(made)))
    arguments = ["evaluate", "--checkpoint", str(bundle), "--data", str(data), "--steps", "1", "--frames", "2"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "smcd: left out " in said.err and "nothing: has no boxes" in said.err
    assert "No AO, and no share of the way: give --detector to find the objects." in said.out
    written = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert written["settings"]["data"] == str(data) and written["settings"]["clips"] == 2
    assert len(written["by_clip"]["smcd"]) == 2 and written["scores"]["truth"]["first_frame_ssim"] == 1
    assert "ao" not in written["scores"]["smcd"] and written["scores"]["smcd"]["background_psnr"] > 0
    assert (tmp_path / "out" / "clip01.png").is_file() and not (tmp_path / "out" / "clip02.png").exists()


def test_own_clips_lose_their_smallest_objects_where_the_model_has_few_slots(tmp_path):
    made = write_folders(tmp_path, count=4)
    (tmp_path / "ours" / "instances.json").write_text(json.dumps(youtube_vis(made)))
    args = argparse.Namespace(data=tmp_path / "ours", phrase=None, seed=0, clips=64)
    whole, cut = (evaluate._own_clips(args, SIZE, 8, slots) for slots in (8, 1))
    assert max(len(clip.phrases) for clip in whole) > 1
    assert [clip.phrases for clip in cut] == [clip.phrases[:1] for clip in whole]
    assert all(clip.boxes_xyxy.shape == (8, 1, 4) and clip.mask.shape == (8, 1) for clip in cut)
    args.clips = 1
    assert len(evaluate._own_clips(args, SIZE, 8, 8)) == 1


def test_a_folder_without_a_clip_of_that_length_is_named(tmp_path):
    made = write_folders(tmp_path)
    (tmp_path / "ours" / "instances.json").write_text(json.dumps(youtube_vis(made)))
    args = argparse.Namespace(data=tmp_path / "ours", phrase=None, seed=0, clips=64)
    with pytest.raises(ValueError, match="ours: none of its 2 videos gives a clip of 9 frames with boxes"):
        evaluate._own_clips(args, SIZE, 9, 8)
