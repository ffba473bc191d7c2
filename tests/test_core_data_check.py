"""smcd data check and smcd encode on datasets of each kind."""

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor
from test_core_data_folder import numbered_frames, write_frames
from test_core_data_official import row, write_sequence, write_table, write_youtube_vis

from smcd_core.__main__ import main
from smcd_core.commands.data import DATASETS
from smcd_core.data import KINDS, SampleError, open_dataset, read_all, shuffled
from smcd_core.training.encoded import EncodedClips
from smcd_core.training.pretrain import small_autoencoder, small_text_encoder
from smcd_core.trajectory.document import PALETTE
from smcd_core.video import write_video


def make(kind, root):
    """A dataset of three good samples and a damaged one."""
    if kind == "got10k":
        for number in range(1, 5):
            write_sequence(root / "train" / f"GOT-10k_Train_00000{number}")
        (root / "train" / "GOT-10k_Train_000002" / "meta_info.ini").unlink()
    elif kind == "youtube-vis":
        content = write_youtube_vis(root, objects=3)
        content["videos"] = [{**content["videos"][0], "id": number} for number in range(1, 5)]
        content["annotations"] = [{**a, "video_id": number} for number in range(1, 5) for a in content["annotations"]]
        content["annotations"][0]["bboxes"] = [[1, 2, 3]] * 9
        (root / "train" / "instances.json").write_text(json.dumps(content))
    elif kind == "grounding":
        write_table(root / "train-00.tsv", [row(), "nothing\n", row(), row()])
    else:
        root.mkdir()
        for name in "abc":
            write_frames(root / name, 9)
            (root / f"{name}.txt").write_text(f"clip {name}")
            (root / f"{name}.mot.txt").write_text("".join(f"{f},1,{f},8,32,24,1,3,0.9\n" for f in range(1, 10)))
        write_video(numbered_frames(2), root / "short.mp4", 8, {})


MOST_OBJECTS = {"got10k": 1, "youtube-vis": 3, "grounding": 2, "folder": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_check_says_what_a_folder_holds_and_what_is_damaged(kind, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(kind, tmp_path / "data")
    assert main(["data", "check", "data", "--pixels", "64", "--json", "found.json"]) == 0
    text, found = capsys.readouterr().out, json.loads((tmp_path / "found.json").read_text())
    assert found["dataset"] == kind and text.startswith(f"dataset       {kind}: ")
    assert found["read"] == found["samples"] == 4 and found["good"] == 3
    (damaged,) = found["damaged"]
    assert f"damaged       {damaged['path']}: {damaged['reason']}" in text
    low, middle, high = found["box_area"]
    without = found["without_boxes"]
    assert f"; {without} clip{'' if without == 1 else 's'} without\n" in text
    assert 0 < low <= middle <= high <= 1 and found["most_objects"] == MOST_OBJECTS[kind]
    sheet = Image.open(tmp_path / "data-check.png")
    # Three samples in tiles of 256: videos below each other with four frames each, images side by side.
    assert sheet.size == ((820, 316) if kind == "grounding" else (1060, 928))
    colors = {color for _, color in sheet.convert("RGB").getcolors(maxcolors=2**24)}
    assert len(colors) > 20 and ImageColor.getrgb(PALETTE[0]) in colors


@pytest.mark.parametrize("kind", KINDS)
def test_every_dataset_gives_the_same_clips_whatever_reads_them(kind, tmp_path):
    make(kind, tmp_path / "data")
    clips, again = (open_dataset(kind, tmp_path / "data", size=16, clips=8, seed=5) for _ in range(2))
    order = shuffled(8, seed=5)
    alone, helped = list(read_all(clips, order)), list(read_all(again, order, workers=2))
    assert sum(isinstance(clip, SampleError) for _, clip in alone) == 2  # the damaged one, in both passes
    for (index, clip), (expected_index, expected) in zip(helped, alone, strict=True):
        assert index == expected_index and type(clip) is type(expected)
        if not isinstance(clip, SampleError):
            assert np.array_equal(clip.frames, expected.frames) and np.array_equal(clip.boxes_xyxy, expected.boxes_xyxy)
            assert (clip.phrases, clip.caption) == (expected.phrases, expected.caption)


def test_box_statistics_are_those_of_the_boxes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make("folder", tmp_path / "data")
    main(["data", "check", "data", "--pixels", "16", "--json", "found.json"])
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["phrases"] == {"car": 3} and found["most_objects"] == 1 and found["hidden_share"] == 0
    assert found["box_area"] == pytest.approx([0.25] * 3) and found["box_aspect"] == pytest.approx([1] * 3)
    assert found["move_per_frame"] == pytest.approx([1 / 64] * 3, rel=1e-4)  # a pixel of 64 from frame to frame


def test_check_reads_as_many_samples_as_it_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make("got10k", tmp_path / "data")
    main(["data", "check", "data", "--samples", "2", "--sheet", "a.png", "--pixels", "16"])
    assert "read          2: 2 good, 0 damaged" in capsys.readouterr().out
    assert (tmp_path / "a.png").exists()


def test_check_of_something_else_is_one_clear_error(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("nothing to see")
    assert main(["data", "check", str(tmp_path)]) == 2
    assert "holds no videos and no folders of images" in capsys.readouterr().err
    assert main(["data", "check", str(tmp_path / "nothing")]) == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.fixture(scope="module")
def components(tmp_path_factory):
    folder = tmp_path_factory.mktemp("components")
    torch.manual_seed(0)
    text = small_text_encoder()
    small_autoencoder().save_pretrained(folder / "vae")
    text.model.save_pretrained(folder / "text_encoder")
    text.tokenizer.save_pretrained(folder / "tokenizer")
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_every_dataset_can_be_encoded(kind, tmp_path, capsys, components):
    make(kind, tmp_path / "data")
    options = ["--dataset", kind, "--root", str(tmp_path / "data"), "--pixels", "32", "--clips", "7"]
    assert main(["encode", *options, "--components", str(components), "--out", str(tmp_path / "out")]) == 0
    encoded = EncodedClips(tmp_path / "out")
    assert "clips are damaged and were left out" in capsys.readouterr().out
    assert 5 <= len(encoded) <= 6  # 7 clips of 4 videos: the damaged one is met once or twice
    item, slots = encoded[0], KINDS[kind].slots
    frames = KINDS[kind].num_frames
    assert item["boxes_xyxy"].shape == (frames, slots, 4) and item["latents"].shape[:2] == (frames, 4)
    assert (tmp_path / "out" / "phrases.safetensors").exists()


def test_several_cuts_of_each_video_and_their_mirror_images_are_encoded(tmp_path, capsys, components):
    make("got10k", tmp_path / "data")
    options = ["--dataset", "got10k", "--root", str(tmp_path / "data"), "--pixels", "32", "--cuts", "2", "--flips"]
    options += ["--components", str(components), "--out", str(tmp_path / "out")]
    assert main(["encode", *options, "--dtype", "bfloat16", "--batch-size", "3"]) == 0
    encoded = EncodedClips(tmp_path / "out")
    half = len(encoded) // 2
    assert half > 2 and torch.allclose(
        encoded[0]["boxes_xyxy"][..., 0], encoded[0]["mask"] - encoded[half]["boxes_xyxy"][..., 2], atol=1e-6
    )
    assert main(["encode", *options]) == 2  # in float32
    assert "--dtype is 'bfloat16' there, now not given;" in capsys.readouterr().err
    assert main(["encode", *options, "--clips", "3"]) == 2
    assert "--cuts and --clips both say how many clips to make" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_each_clip_gets_the_size_nearest_its_aspect_ratio(kind, tmp_path):
    make(kind, tmp_path / "data")
    clips = open_dataset(kind, tmp_path / "data", size=((32, 32), (48, 32), (32, 64)))
    squares = open_dataset(kind, tmp_path / "data", size=32)
    for (_, clip), (_, square) in zip(read_all(clips), read_all(squares), strict=True):
        if not isinstance(clip, SampleError):
            assert clip.frames.shape[1:] == (32, 48, 3) and clip.phrases == square.phrases  # the samples are 4 : 3
            if kind != "grounding":  # which crops
                assert np.array_equal(clip.boxes_xyxy, square.boxes_xyxy)


def test_clips_of_several_sizes_are_encoded_into_buckets(tmp_path, capsys, components):
    root = tmp_path / "data"
    for name, size in (("a", (64, 48)), ("b", (48, 64)), ("c", (64, 48))):
        (root / name).mkdir(parents=True)
        for frame in range(3):
            Image.new("RGB", size, "gray").save(root / name / f"{frame}.png")
        (root / f"{name}.txt").write_text(f"clip {name}")
    options = ["--dataset", "folder", "--root", str(root), "--frames", "2", "--components", str(components)]
    options += ["--out", str(tmp_path / "out")]
    assert main(["encode", *options, "--pixels", "48x32,32x48", "--batch-size", "2"]) == 0
    encoded = EncodedClips(tmp_path / "out")
    assert len(encoded) == 3 and {size: len(found) for size, (found,) in encoded.buckets.items()} == {
        (4, 6): 2,
        (6, 4): 1,
    }
    for (height, width), (found,) in encoded.buckets.items():
        assert all(encoded[index]["latents"].shape == (2, 4, height, width) for index in found)
    assert main(["encode", "--clips", "1", "--pixels", "48x32", *options[4:]]) == 2
    assert "synthetic clips are square" in capsys.readouterr().err


def test_encode_says_what_is_missing(tmp_path, capsys, components):
    rest = ["--components", str(components), "--out", str(tmp_path / "out")]
    assert main(["encode", *rest]) == 2
    assert "--clips is missing" in capsys.readouterr().err
    assert main(["encode", "--clips", "1", "--pixels", "7", *rest]) == 2
    assert "--pixels is 7, expected a multiple of 8 pixels: use 8" in capsys.readouterr().err
    assert main(["encode", "--dataset", "got10k", *rest]) == 2
    assert "--root is missing" in capsys.readouterr().err


def test_the_command_line_offers_every_dataset():
    assert DATASETS == tuple(KINDS)
