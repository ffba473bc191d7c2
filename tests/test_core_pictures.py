"""Pictures that others made: which formats are opened, how large they may be, and what is seen of them."""

from __future__ import annotations

import ast
import base64
import json
import os
import subprocess
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import smcd_core
from smcd_core.__main__ import main
from smcd_core.data import open_dataset
from smcd_core.data.folder import find_videos
from smcd_core.data.media import frame_files
from smcd_core.data.samples import SampleError
from smcd_core.pictures import FORMATS, PictureError, open_picture, read_picture, size_as_shown
from smcd_core.trajectory.document import TrajectoryError
from smcd_core.trajectory.files import read_trajectory

PACK = Path(smcd_core.__file__).parents[1]
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n(x) print\nshowpage\n%%EOF\n"
RAMP = np.linspace(0, 1, 64)[None].repeat(8, 0)


@pytest.fixture
def no_programs(monkeypatch):
    """Pillow starts Ghostscript through subprocess, and looks for it first."""
    started = []
    monkeypatch.setattr("PIL.EpsImagePlugin.has_ghostscript", lambda: started.append("looked for") or True)
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", "gs", raising=False)
    for name in ("check_call", "Popen", "run"):
        monkeypatch.setattr(subprocess, name, lambda *args, **options: started.append(args))
    yield
    assert started == []


def test_only_one_place_opens_pictures_and_one_opens_videos():
    """Everything else goes through them, so that what they check is checked everywhere."""
    found = []
    folders = ("smcd_core", "nodes", "docs", "demo")  # the benchmarks also run what others wrote
    for path in sorted([*(path for name in folders for path in (PACK / name).rglob("*.py")), PACK / "__init__.py"]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_open = isinstance(node, ast.Attribute) and node.attr == "open" and isinstance(node.value, ast.Name)
            if is_open and node.value.id in ("Image", "av"):
                found.append(f"{path.relative_to(PACK).as_posix()}: {node.value.id}")
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_import_av(path, "):
                found.append(f"{path.relative_to(PACK).as_posix()}: open_video")
    assert found == ["smcd_core/pictures.py: Image", "smcd_core/video.py: open_video", "smcd_core/video.py: av"]


def test_postscript_in_a_picture_is_never_run(tmp_path, no_programs, capsys):
    picture = tmp_path / "walk" / "000.png"
    picture.parent.mkdir()
    picture.write_bytes(POSTSCRIPT)
    (tmp_path / "walk.txt").write_text("a red circle")
    with pytest.raises(PictureError, match=r"000.png: cannot .*identify it as PNG, JPEG, WEBP, GIF, BMP or TIFF"):
        read_picture(picture)
    clips = open_dataset("folder", tmp_path, num_frames=1, size=16)
    with pytest.raises(SampleError, match="cannot be read as a picture"):
        clips[0]
    row = {"data_id": 1, "image": base64.b64encode(POSTSCRIPT).decode(), "caption": "a", "annos": []}
    (tmp_path / "a.tsv").write_text(f"1\t{json.dumps(row)}\n")
    with pytest.raises(SampleError, match="cannot be read as a picture"):
        open_dataset("grounding", tmp_path / "a.tsv", size=16)[0]
    boxes = tmp_path / "boxes.txt"
    boxes.write_text("0.1,0.1,0.5,0.5\n")
    assert main(["animate", str(picture), "--boxes", str(boxes), "-o", str(tmp_path / "a.gif")]) == 2
    assert "cannot be read as a picture" in capsys.readouterr().err


@pytest.mark.parametrize("name", FORMATS)
def test_the_named_formats_are_read_whatever_the_file_is_called(tmp_path, name):
    pixels = np.full((8, 12, 3), (200, 40, 40), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture", format=name)
    assert np.abs(np.asarray(read_picture(tmp_path / "picture")).astype(int) - pixels).max() < 8


@pytest.mark.parametrize("side", [9000, 16000])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, side):
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(PictureError, match="has more than 80 million pixels: make it smaller"):
            read_picture(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    "mode, pixels",
    [
        ("I;16", (RAMP * 65535).astype(np.uint16)),
        ("F, fractions", RAMP.astype(np.float32)),
        ("F, bytes", (RAMP * 255).astype(np.float32)),
        ("F, 16 bits", (RAMP * 65535).astype(np.float32)),
        ("F, with a NaN", np.where(RAMP == RAMP.min(), np.nan, RAMP).astype(np.float32)),
    ],
)
def test_deep_grey_keeps_its_brightness(tmp_path, mode, pixels):
    Image.fromarray(pixels).save(tmp_path / "deep.tiff")
    assert np.abs(np.asarray(read_picture(tmp_path / "deep.tiff"))[..., 1] - RAMP * 255).max() <= 1


def test_fractions_a_little_above_1_stay_fractions(tmp_path):
    """Resizing goes beyond 1, and lights may be brighter."""
    Image.fromarray(np.float32([[0.5, 1.02, 4]])).save(tmp_path / "deep.tiff")
    assert np.asarray(read_picture(tmp_path / "deep.tiff"))[0, :, 1].tolist() == [128, 255, 255]


def test_numbers_of_an_unknown_scale_are_refused(tmp_path):
    Image.fromarray((RAMP * 10**6).astype(np.int32)).save(tmp_path / "deep.tiff")
    with pytest.raises(PictureError, match=r"deep.tiff: .*grey values up to 1e\+06, expected at most 65535"):
        read_picture(tmp_path / "deep.tiff")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_laid_over_white(tmp_path, mode):
    image = Image.new("RGBA", (2, 1), (255, 0, 255, 0))  # colours under full transparency, as drawing programs leave
    image.putpixel((1, 0), (0, 0, 0, 128))
    image.convert(mode).save(tmp_path / "cut-out.png")
    read = np.asarray(read_picture(tmp_path / "cut-out.png"))
    assert read[0, 0].tolist() == [255, 255, 255] and (mode == "P" or 126 <= read[0, 1, 0] <= 128)


def test_a_phone_picture_is_upright():
    stored, exif = Image.new("RGB", (6, 4)), Image.Exif()
    exif[0x0112] = 6
    stream = BytesIO()
    stored.save(stream, "JPEG", exif=exif)
    with open_picture("phone.jpg", stream.getvalue()) as image:
        assert size_as_shown(image) == (4, 6)


def test_a_file_called_like_an_address_is_opened_as_a_file(tmp_path, monkeypatch):
    """FFmpeg would send a request to http:127.0.0.1:port?x.mp4."""
    from smcd_core.video import read_metadata, write_video

    monkeypatch.chdir(tmp_path)
    name = "http:127.0.0.1:1?x.mp4"
    write_video(np.zeros((2, 16, 16, 3), np.uint8), name, 8, {"a": 1})
    assert [path.name for path in tmp_path.iterdir()] == [name] and read_metadata(name) == {"a": 1}
    Path("walk").mkdir()
    Path(name).rename(Path("walk", name))
    Path("walk", "captions.json").write_text(json.dumps({name: "a red circle"}))
    assert open_dataset("folder", "walk", num_frames=2, size=16)[0].frames.shape == (2, 16, 16, 3)


def test_a_video_that_lists_other_files_is_refused(tmp_path):
    from smcd_core.data.media import VideoFile
    from smcd_core.video import write_video

    write_video(np.zeros((2, 16, 16, 3), np.uint8), tmp_path / "secret.mp4", 8, {})
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {tmp_path / 'secret.mp4'}\n")
    for text in ("ffconcat version 1.0\nfile secret.mp4\n", "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n"):
        (tmp_path / "list.mp4").write_text(text)
        with pytest.raises(SampleError, match="cannot be read"):
            VideoFile(tmp_path / "list.mp4")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_pipes_are_not_waited_for(tmp_path):
    """Opening a pipe that nobody writes to never returns."""
    for name in ("walk.mp4", "walk.txt", "one/000.png", "boxes.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        os.mkfifo(tmp_path / name)
    Image.new("RGB", (8, 8)).save(tmp_path / "one" / "001.png")
    assert find_videos(tmp_path) == [tmp_path / "one"] and frame_files(tmp_path / "one") == ["001.png"]
    with pytest.raises(PictureError, match="is a pipe or device"):
        read_picture(tmp_path / "one" / "000.png")
    with pytest.raises(TrajectoryError, match="boxes.json: is a pipe or device"):
        read_trajectory(tmp_path / "boxes.json")
