"""Folders and files may be named as people name them, on all systems."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_bundle import write_bundle

from smcd_core.__main__ import main
from smcd_core.data import FolderClips, stream
from smcd_core.data.media import inside
from smcd_core.data.samples import SampleError
from smcd_core.trajectory.document import parse_trajectory
from smcd_core.trajectory.files import read_trajectory
from smcd_core.trajectory.write import write_got10k, write_json, write_mot
from smcd_core.video import read_metadata, write_video
from smcd_core.weights.checkpoint import CheckpointError, read_checkpoint
from smcd_core.weights.files import read_weights

ROOT = Path(__file__).parent.parent
NAME = "räum 空间 x"
DOCUMENT = {
    "version": 1, "width": 48, "height": 32, "frames": 4, "fps": 8,
    "objects": [{"phrase": "红色 circle é", "keys": [{"frame": 0, "box": [0.1, 0.1, 0.5, 0.5]},
                                                  {"frame": 3, "box": [0.4, 0.4, 0.8, 0.8]}]}],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """With a picture, a trajectory and a checkpoint."""
    home = tmp_path / NAME
    home.mkdir()
    Image.fromarray(np.full((32, 48, 3), 90, np.uint8)).save(home / f"{NAME}.png")
    write_json(home / f"{NAME}.json", parse_trajectory(DOCUMENT))
    write_bundle(home / f"{NAME}.safetensors")
    return home


@pytest.mark.parametrize("suffix", [".mp4", "", *(pytest.param(s, marks=pytest.mark.slow) for s in (".webp", ".gif"))])
def test_a_video_is_made_where_all_names_have_spaces_and_foreign_letters(folder, suffix, monkeypatch):
    monkeypatch.chdir(folder)
    out, sheet = f"vidéo 视频{suffix}", "überblick 页.png"
    command = ["animate", f"{NAME}.png", "--boxes", f"{NAME}.json", "--checkpoint", f"{NAME}.safetensors", "-o", out]
    assert main([*command, "--prompt", "空 ä", "--steps", "1", "--contact-sheet", sheet]) == 0
    assert read_metadata(folder / out)["settings"]["prompt"] == "空 ä"
    assert Image.open(folder / sheet).size[0] > 0
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_files_of_boxes_are_written_and_read_there(folder):
    trajectory = parse_trajectory(DOCUMENT)
    write_mot(folder / "mot 空.txt", trajectory)
    write_got10k(folder / "got ö", trajectory)
    assert read_trajectory(folder / "mot 空.txt", width=48, height=32)[0].frames == 4
    assert read_trajectory(folder / "got ö")[0].objects[0].phrase == "红色 circle é"
    assert read_trajectory(folder / f"{NAME}.json")[0] == trajectory


def test_a_dataset_is_read_there(folder):
    data = folder / "données 数据"
    write_video(np.zeros((4, 32, 48, 3), np.uint8), data / "clip é 1.mp4", 8, {})
    write_video(np.zeros((4, 32, 48, 3), np.uint8), data / "frames ü", 8, {})
    for name in ("clip é 1", "frames ü"):
        (data / f"{name}.txt").write_text("ein 球 rollt", encoding="utf-8")
    write_json(data / "clip é 1.json", parse_trajectory(DOCUMENT))
    clips = list(stream(FolderClips(data, size=8, num_frames=4)))
    assert [clip.caption for clip in clips] == ["ein 球 rollt"] * 2
    assert sorted(clip.phrases for clip in clips) == [(), ("红色 circle é",)]


def test_weights_are_told_by_their_content_and_not_by_their_name(tmp_path):
    weights = {"a": torch.arange(3.0)}
    for name in ("a.safetensors", "a.bin", f"{NAME}.pth", "a"):
        torch.save(weights, tmp_path / "saved")
        os.replace(tmp_path / "saved", tmp_path / name)
        assert torch.equal(read_weights(tmp_path / name).tensors["a"], weights["a"])
        save_file(weights, tmp_path / name)
        assert torch.equal(read_weights(tmp_path / name).tensors["a"], weights["a"])


def test_messages_name_such_files_in_full(folder):
    (folder / "leer 空.safetensors").touch()
    with pytest.raises(CheckpointError, match=f"{NAME}.*leer 空.safetensors: the file is empty"):
        read_checkpoint(folder / "leer 空.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_that_lacks_letters_gets_the_rest(folder, encoding):
    """Windows gives pipes the encoding of its language; phrases are in any."""
    write_video(np.zeros((2, 16, 16, 3), np.uint8), folder / "vidéo 视频.mp4", 8, {"prompt": "空 ä 🐕"})
    for name in ("vidéo 视频.mp4", "keins 无.mp4"):
        command = [sys.executable, "-m", "smcd_core", "info", str(folder / name)]
        environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False)  # noqa: S603
        assert run.returncode == (2 if name.startswith("keins") else 0), run.stderr
        assert b"codec" not in run.stderr and b"Traceback" not in run.stderr


NAMES_OF_WINDOWS = ["..\\x", "a\\..\\..\\x", "C:\\x", "C:x", "\\\\server\\share\\x", "//server/x", "\\x"]


@pytest.mark.parametrize("name", [*NAMES_OF_WINDOWS, "../x", "/x", "a/../../x", "", ".", "x\0y", None, 3])
def test_names_in_annotations_do_not_lead_out_on_any_system(tmp_path, name):
    with pytest.raises(SampleError):
        inside(tmp_path, name)


def test_names_with_the_separators_of_windows_are_found_on_other_systems(tmp_path):
    assert inside(tmp_path, "vidéos\\空 1\\0001.jpg") == tmp_path / "vidéos" / "空 1" / "0001.jpg"


def test_no_file_of_the_repository_has_a_name_that_windows_refuses():
    """Nor two that differ in case alone, which Windows and macOS take for one."""
    seen: dict[str, str] = {}
    for path in (path for path in ROOT.rglob("*") if "node_modules" not in path.parts):
        inner = path.relative_to(ROOT)
        if inner.parts[0].startswith(".") or inner.parts[0] in ("out", "runs"):
            continue
        assert not PureWindowsPath(inner.name).is_reserved() and not set(inner.name) & set('<>:"|?*'), inner
        assert inner.name == inner.name.rstrip(" .") and len(str(inner)) < 150, inner
        assert seen.setdefault(str(inner).lower(), str(inner)) == str(inner)


def test_texts_are_written_with_their_own_ends_of_lines(folder):
    """Windows would make \\r\\n of \\n, and checksums and the page would see it."""
    assert b"\r" not in (folder / f"{NAME}.json").read_bytes()
    assert json.loads((folder / f"{NAME}.json").read_bytes())["objects"][0]["phrase"] == "红色 circle é"
