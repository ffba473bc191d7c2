"""smcd guide: the moved picture and the drawn boxes as files, without any model."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from smcd_core.__main__ import main
from smcd_core.commands.guide import CUT_AND_DRAG, POINTS, STYLES as CHOICES
from smcd_core.guides.drawn import STYLES
from smcd_core.guides.fit import fit
from smcd_core.guides.tracks import ATI_SPACING, as_ati, as_tracks, point_tracks
from smcd_core.trajectory.document import parse_trajectory

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


def notes(capsys, *options):
    assert main(["guide", "sky.png", "--boxes", "boxes.json", "-o", "guide", *options]) == 0
    return [line.removeprefix("smcd: ") for line in capsys.readouterr().err.splitlines()]


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
        ("vace", ["length is 6: Wan makes 4n + 1 frames, the nearest is 5: say --frames 5"]),
        (CUT_AND_DRAG, ["length is 6: Wan makes 4n + 1 frames, the nearest is 5: say --frames 5"]),
        ("ltx boxes", ["length is 6: LTX makes 8n + 1 frames, the nearest is 9: say --frames 9"]),
        ("magicmotion", []),
    ],
)
def test_a_length_that_the_model_does_not_take_is_said(here, capsys, style, expected):
    options = ["--style", style, "--size", "128x64", "--frames", "6", "--fit", "stretch"]
    found = notes(capsys, *options)
    stretched = "the boxes have 5 frames: their motion is stretched over the video's 6"
    name, fps = ("LTX", 24) if style.startswith("ltx") else ("Wan", 16)
    rate = [f"the video has 10 frames per second, {name} makes {fps}: say --fps {fps}"] if expected else []
    assert found[1:] == ["1 object, 6 frames of 128 x 64 pixels", stretched, *rate, *expected]


@pytest.mark.parametrize("style", [*CHOICES, *POINTS])
def test_the_options_that_are_named_leave_nothing_to_say(here, capsys, style):
    (here / "boxes.json").write_text(json.dumps(BOXES | {"frames": 8}))
    guide = ["guide", "sky.png", "--boxes", "boxes.json", "--style", style, "-o", str(POINTS.get(style, "guide"))]
    guide += ["--mask-out", "mask"] if style == CUT_AND_DRAG else []  # Time-to-Move takes it
    assert main(guide) == (2 if style == "ati" else 0)
    found = re.findall(r": (?:say|ATI takes) (--.*)", capsys.readouterr().err)
    assert len(found) == (0 if style == "magicmotion" else 1 if style in POINTS else 2)
    if options := " ".join(found):
        assert "--size" in options and "--frames 9" in options and ("--fps" in options) == (style in CHOICES)
        assert main([*guide, *options.split()]) == 0
        shown = capsys.readouterr().err
        assert " takes " not in shown and ": say " not in shown


@pytest.mark.parametrize("options", [[], ["-o", "guide.gif", "--frames", "6"], ["-o", "guide.webp", "--size", "50x30"]])
def test_a_video_for_people_is_not_measured_by_a_model(here, capsys, options):
    assert main(["guide", "sky.png", "--boxes", "boxes.json", *options]) == 0
    shown = capsys.readouterr().err
    assert "Wan" not in shown and "say --" not in shown


def test_what_the_crop_cuts_off_is_said(here, capsys):
    what, cut = notes(capsys, "--style", "magicmotion", "--size", "128x64")[1:]
    assert what == "1 object, 5 frames of 128 x 64 pixels"
    assert cut.startswith("the crop cuts off 42 % of object 1 (") and cut.endswith(
        "the middle 100 x 50 of its 100 x 60 pixels"
    )


def test_boxes_of_a_picture_of_another_shape_are_laid_on_this_one_and_said(here, capsys):
    (here / "boxes.json").write_text(json.dumps(BOXES | {"width": 60, "height": 60}))
    found = notes(capsys, "--size", "100x60")
    assert found[2].startswith(
        "the boxes are stretched to the image: see that they lie on its objects. They are for 60 x 60"
    )
    video = frames(here / "guide")
    assert np.array_equal(video[0], np.asarray(Image.open("sky.png")))  # cut out where it is, though the box was square
    assert np.abs(video[4, 6, 50].astype(int) - RED).max() <= 2


def test_points_are_those_of_the_node_for_ati_and_files_for_wan_move(here, capsys):
    fitted = fit(parse_trajectory(BOXES), 112, 64, 9)
    for style, names in (("ati", ["ati.json"]), ("wan_move", ["tracks.npy", "visibility.npy"])):
        options = ["--style", style, "--size", "112x64", "--frames", "9", "--anchors", "3"]
        assert main(["guide", "sky.png", "--boxes", "boxes.json", *options]) == 0
        said = capsys.readouterr()
        assert said.out.split() == names and "1 of 1 objects, 7 anchors" in said.err
    expected = as_ati(point_tracks(fitted, anchors=3, spacing=ATI_SPACING * 64))
    assert json.loads((here / "ati.json").read_text()) == json.loads(expected)
    tracks = as_tracks(point_tracks(fitted, anchors=3))
    assert np.array_equal(np.load("tracks.npy")[0], tracks["track_path"])
    assert np.array_equal(np.load("visibility.npy")[0], tracks["track_visibility"])


@pytest.mark.parametrize(
    ("length", "message", "nearest"),
    [
        ("1", "needs 5 frames or more", "5"),
        ("16", "the nearest is 17", "17"),
        ("120", "the nearest is 121", "117"),
        ("121", "stops at 121, 241", "117"),
        ("241", "stops at 121, 241", "237"),
    ],
)
def test_a_length_that_ati_cannot_take_is_refused(here, capsys, length, message, nearest):
    options = ["--style", "ati", "--size", "112x64", "--frames"]
    assert main(["guide", "sky.png", "--boxes", "boxes.json", *options, length]) == 2
    found = capsys.readouterr().err.strip()
    assert message in found and found.endswith(f": ATI takes --frames {nearest}") and not (here / "ati.json").exists()
    assert main(["guide", "sky.png", "--boxes", "boxes.json", *options, nearest]) == 0


def test_a_mistyped_style_is_told_the_nearest(here, capsys):
    with pytest.raises(SystemExit):
        main(["guide", "sky.png", "--boxes", "boxes.json", "--style", "vace colors"])
    assert "did you mean 'vace colours'?" in capsys.readouterr().err


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
        (["--points", "3"], "--points and --anchors are for wan_move and ati: leave them out"),
        (["--style", "ati", "--fps", "9"], "--mask-out and --fps are for styles that are a video: leave them out"),
        (["--style", "ati"], "guide: ati is a file whose name ends in .json: name it like ati.json"),
        (["--mask", "small.png"], "small.png: is 10 x 10 pixels, the image 100 x 60: give it the same size"),
        (
            ["--mask", "sky.png", "--mask", "sky.png"],
            "there are 2 masks for 1 object: give one for all, or one for each",
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
