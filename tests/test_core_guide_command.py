"""smcd guide: the moved picture and the drawn boxes as files, without any model."""

import json

import numpy as np
import pytest
from PIL import Image

from smcd_core.__main__ import main
from smcd_core.commands.guide import CUT_AND_DRAG, STYLES as CHOICES
from smcd_core.guides.drawn import STYLES

BOXES = {
    "version": 1,
    "width": 100,
    "height": 60,
    "frames": 5,
    "fps": 10,
    "objects": [
        {"phrase": "sun", "keys": [{"frame": 0, "box": [0, 0, 0.2, 0.2]}, {"frame": 4, "box": [0.4, 0, 0.6, 0.2]}]}
    ],
}
RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A red sun in the upper left corner of a blue sky, and its box that moves to the right."""
    monkeypatch.chdir(tmp_path)
    picture = Image.new("RGB", (100, 60), BLUE)
    picture.paste(RED, (0, 0, 20, 12))
    picture.save("sky.png")
    (tmp_path / "boxes.json").write_text(json.dumps(BOXES))
    return tmp_path


def frames(folder):
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png"))])


def failure(capsys, *options):
    assert main(["guide", "sky.png", "--boxes", "boxes.json", "-o", "guide", *options]) == 2
    return capsys.readouterr().err.splitlines()[-1].removeprefix("smcd: error: ")


def test_what_a_box_holds_moves_with_it_and_leaves_sky_behind(here):
    assert main(["guide", "sky.png", "--boxes", "boxes.json", "-o", "guide", "--mask-out", "mask"]) == 0
    video, mask = frames(here / "guide"), frames(here / "mask")
    assert video.shape == (5, 60, 100, 3)
    assert np.array_equal(video[0], np.asarray(Image.open("sky.png")))
    middle = np.abs(video[4, 6, 50].astype(int) - RED).max(), np.abs(video[4, 6, 10].astype(int) - BLUE).max()
    assert max(middle) <= 2  # rounding of the fill and of the file
    assert mask[4, 6, 50].tolist() == [255] * 3 and mask[4, 6, 10].tolist() == [0] * 3


def test_size_and_length_are_those_of_the_other_model(here):
    options = ["--size", "64x64", "--frames", "9", "--fit", "stretch"]
    assert main(["guide", "sky.png", "--boxes", "boxes.json", "-o", "guide", *options]) == 0
    assert frames(here / "guide").shape == (9, 64, 64, 3)


def test_a_mask_leaves_the_rest_of_the_box_where_it_is(here):
    mask = Image.new("L", (100, 60))
    mask.paste(255, (0, 0, 10, 12))
    mask.save("left_half.png")
    assert main(["guide", "sky.png", "--boxes", "boxes.json", "-o", "guide", "--mask", "left_half.png"]) == 0
    last = frames(here / "guide")[4]
    assert last[6, 18].tolist() == list(RED) and np.abs(last[6, 45].astype(int) - RED).max() <= 2


@pytest.mark.parametrize("style", STYLES)
def test_each_style_of_drawn_boxes_is_written(here, style):
    options = ["--style", style, "--size", "400x240"]  # the dots of tracks vanish in smaller videos
    assert main(["guide", "sky.png", "--boxes", "boxes.json", "-o", "guide", *options]) == 0
    video = frames(here / "guide")
    assert video.shape == (5, 240, 400, 3) and (video[1] != video[4]).any()


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("vace", ["length is 6: Wan makes 4n + 1 frames, the nearest is 5"]),
        (CUT_AND_DRAG, ["length is 6: Wan makes 4n + 1 frames, the nearest is 5"]),
        ("ltx boxes", ["length is 6: LTX makes 8n + 1 frames, the nearest is 9"]),
        ("magicmotion", []),
    ],
)
def test_a_length_that_the_model_does_not_take_is_said(here, capsys, style, expected):
    options = ["--style", style, "--size", "128x64", "--frames", "6"]
    assert main(["guide", "sky.png", "--boxes", "boxes.json", "-o", "guide", *options]) == 0
    assert [line.removeprefix("smcd: ") for line in capsys.readouterr().err.splitlines()[1:]] == expected


def test_an_object_that_is_never_seen_is_said(here, capsys):
    (here / "boxes.json").write_text(
        json.dumps(BOXES).replace("[0, 0, 0.2, 0.2]", "[2, 0, 3, 1]").replace("0.4, 0, 0.6", "2, 0, 3")
    )
    assert main(["guide", "sky.png", "--boxes", "boxes.json", "-o", "guide", "--style", "magicmotion"]) == 0
    assert "object 1 of 1 is never inside the frame" in capsys.readouterr().err


def test_all_styles_are_offered():
    assert CHOICES == (CUT_AND_DRAG, *STYLES)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--style", "vace", "--mask", "sky.png"], "--mask and --background are for cut and drag: leave them out"),
        (["--mask", "small.png"], "small.png: is 10 x 10 pixels, the image 100 x 60: give it the same size"),
        (
            ["--mask", "sky.png", "--mask", "sky.png"],
            "there are 2 masks for 1 objects: give one for all, or one for each",
        ),
        (["--background", "none.png"], "none.png: No such file or directory"),
        (["-o", "guide.avi"], "guide.avi: cannot write .avi; expected .mp4, .webp, .gif, or a folder without suffix"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_mistake_is_one_message_and_writes_nothing(here, capsys, options, message):
    Image.new("RGB", (10, 10)).save("small.png")
    assert failure(capsys, *options).startswith(message)
    assert not (here / "guide").exists()
