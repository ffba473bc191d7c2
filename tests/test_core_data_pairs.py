"""smcd data pairs: videos, drawn boxes and captions in the layouts of other trainers."""

import json

import numpy as np
import pytest
from test_core_data_check import make

from smcd_core.__main__ import main
from smcd_core.data import KINDS, open_dataset, read_all
from smcd_core.data.media import VideoFile
from smcd_core.data.samples import SampleError
from smcd_core.guides.drawn import guide_video
from smcd_core.trajectory.dense import DenseBoxes

pytest.importorskip("av")
SIZE = (96, 64)


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_of_every_dataset_are_in_both_layouts(kind, tmp_path, capsys):
    make(kind, tmp_path / "data")
    out = tmp_path / "out"
    frames = KINDS[kind].num_frames
    command = ["data", "pairs", str(tmp_path / "data"), "--out", str(out), "--pixels", "96x64", "--frames", str(frames)]
    assert main(command) == 0
    assert f"{out}: 3 of 4 clips with their guides" in capsys.readouterr().out

    clips = open_dataset(kind, tmp_path / "data", size=(SIZE,), num_frames=frames)
    good = {f"{number:06d}": clip for number, clip in read_all(clips) if not isinstance(clip, SampleError)}
    assert {path.stem for path in (out / "videos").iterdir()} == set(good)
    rows = [json.loads(line) for line in (out / "dataset.jsonl").read_text(encoding="utf-8").splitlines()]
    for row, (name, clip) in zip(rows, good.items(), strict=True):
        assert row == {
            "caption": clip.caption.strip(), "video": f"videos/{name}.mp4", "reference_video": f"guides/{name}.mp4"
        }  # fmt: skip
        assert (out / "videos" / f"{name}.txt").read_text(encoding="utf-8").strip() == clip.caption.strip()
        boxes = DenseBoxes(clip.boxes_xyxy.astype(float), clip.mask, clip.phrases, size=SIZE)
        expected = {"video": clip.frames, "reference_video": guide_video(boxes, "ltx boxes")[0].numpy() * 255}
        for column, pixels in expected.items():
            video = VideoFile(out / row[column])
            assert video.length == frames and video.size() == SIZE
            found = video.read(range(frames), SIZE)
            assert np.abs(found.astype(float) - pixels).mean() < 12, column  # H.264 with half the colour
    assert clip.boxes_xyxy.any() and pixels.max() == 255


def test_musubi_reads_the_folders_by_its_configuration(tmp_path):
    make("folder", tmp_path / "data")
    command = ["data", "pairs", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--pixels", "96x64"]
    assert main([*command, "--frames", "5", "--style", "vace"]) == 0
    tomllib = pytest.importorskip("tomllib")  # from Python 3.11 on
    found = tomllib.loads((tmp_path / "out" / "musubi.toml").read_text(encoding="utf-8"))
    assert found["general"] == {
        "resolution": [96, 64], "caption_extension": ".txt", "batch_size": 1, "enable_bucket": True
    }  # fmt: skip
    (dataset,) = found["datasets"]
    folders = {f"{name}_directory": str(tmp_path / "out" / place) for name, place in
               (("video", "videos"), ("control", "guides"), ("cache", "cache"))}  # fmt: skip
    assert dataset == {**folders, "target_frames": [5], "frame_extraction": "head"}
    names = {path.stem for path in (tmp_path / "out" / "videos").glob("*.mp4")}
    assert names == {path.stem for path in (tmp_path / "out" / "guides").glob("*.mp4")} and len(names) == 3


def test_a_stopped_run_goes_on_and_other_settings_are_refused(tmp_path, capsys):
    make("folder", tmp_path / "data")
    command = ["data", "pairs", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--pixels", "96x64"]
    assert main([*command, "--frames", "6"]) == 0
    assert "6 frames: LTX takes 1 + a multiple of 8" in capsys.readouterr().err
    kept, gone = sorted((tmp_path / "out" / "guides").iterdir())[:2]
    before = kept.stat().st_mtime_ns
    gone.unlink()
    assert main([*command, "--frames", "6"]) == 0
    assert gone.exists() and kept.stat().st_mtime_ns == before
    assert main([*command, "--frames", "5"]) == 2
    assert "were made with other settings; choose another folder" in capsys.readouterr().err


def test_a_folder_without_a_readable_clip_is_an_error(tmp_path, capsys):
    make("folder", tmp_path / "data")
    command = ["data", "pairs", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--frames", "49"]
    assert main(command) == 2
    assert "no clip could be read" in capsys.readouterr().err
