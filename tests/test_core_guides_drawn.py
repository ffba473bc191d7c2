"""Guide videos: the pixels that the published programs draw, recorded in tests/golden/guides.json."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from smcd_core.errors import SMCDError
from smcd_core.guides.cut_and_drag import resized
from smcd_core.guides.drawn import STYLES, WITH_PICTURE, guide_video, remarks
from smcd_core.guides.fit import fit
from smcd_core.trajectory.dense import DenseBoxes
from smcd_core.trajectory.document import parse_trajectory

GOLDEN = json.loads((Path(__file__).parent / "golden" / "guides.json").read_text(encoding="utf-8"))
COLORS = ["#e69f00", "#0072b2"]


def dense(*boxes, width=64, height=32, hidden=()):
    """One object with these boxes in pixels, frame by frame."""
    xyxy = np.array(boxes, np.float64)[:, None] / [width, height, width, height]
    mask = np.array([[frame not in hidden] for frame in range(len(boxes))])
    return DenseBoxes(xyxy, mask, ("cat",), size=(width, height))


def drawn(boxes, style, **options):
    """uint8 [F, H, W, 3]"""
    return (guide_video(boxes, style, COLORS[: len(boxes.phrases)], **options)[0] * 255).round().byte().numpy()


def lit(picture):
    """The pixels that are not black, as (x, y)."""
    y, x = picture.any(-1).nonzero()
    return set(zip(x.tolist(), y.tolist(), strict=True))


@pytest.mark.parametrize("style", STYLES)
def test_pixels_are_those_of_the_published_program(style):
    case = GOLDEN[style]
    trajectory = parse_trajectory(case["trajectory"])
    boxes = fit(trajectory, trajectory.width, trajectory.height, trajectory.frames)
    video = drawn(boxes, style)
    for frame, runs in case["frames"].items():
        expected = np.full(video.shape[1:], case["background"], np.uint8)
        for y1, y2, x1, x2, color in runs:
            expected[y1:y2, x1:x2] = [int(color[n : n + 2], 16) for n in (0, 2, 4)]
        # OpenCV resizes blobs in fixed point, and LTX's dots are published in float16: a step of 255 at most.
        off = np.abs(video[int(frame)].astype(int) - expected).max()
        assert off <= (1 if style in ("fun blobs", "ltx tracks") else 0)


def test_every_style_is_recorded():
    assert tuple(GOLDEN) == STYLES


@pytest.mark.parametrize("style", STYLES)
def test_hidden_objects_are_not_drawn(style):
    boxes = dense([60, 40, 180, 110], [60, 40, 180, 110], hidden=[1], width=240, height=150)
    video = drawn(boxes, style)
    empty = drawn(dense([0, 0, 1, 1], hidden=[0], width=240, height=150), style)[0]
    assert (video[0] != empty).any()
    if style != "ltx tracks":  # which shows where it was
        np.testing.assert_array_equal(video[1], empty)


@pytest.mark.parametrize("style", STYLES)
def test_boxes_far_outside_leave_the_frame_empty(style):
    for box in ([-400, 5, -380, 25], [10, 300, 40, 320], [900, 900, 960, 930]):
        video = drawn(dense(box), style)
        assert len(np.unique(video)) == 1, box


@pytest.mark.parametrize("style", STYLES)
def test_an_empty_trajectory_gives_empty_frames_and_a_remark(style):
    nothing = DenseBoxes(np.zeros((3, 0, 4)), np.zeros((3, 0), bool), (), size=(64, 32))
    video, mask = guide_video(nothing, style)
    assert video.shape == (3, 32, 64, 3) and len(video.unique()) == 1 and mask.min() == 1
    assert remarks(nothing, style)[0].startswith("the trajectory has no enabled object, so nothing is drawn")


@pytest.mark.parametrize("style", STYLES)
def test_the_picture_is_frame_0_of_the_styles_for_vace_alone(style):
    boxes = dense([10, 5, 40, 25], [12, 5, 42, 25])
    picture = torch.rand(16, 32, 3, generator=torch.Generator().manual_seed(0))
    plain, ones = guide_video(boxes, style, COLORS[:1])
    video, mask = guide_video(boxes, style, COLORS[:1], picture)
    assert ones.min() == 1 and torch.equal(video[1], plain[1]) and mask[1].min() == 1
    if style in WITH_PICTURE:
        assert torch.equal(video[0], resized(picture, 64, 32)) and mask[0].max() == 0
    else:
        assert torch.equal(video[0], plain[0]) and mask[0].min() == 1


def test_a_picture_is_cropped_or_stretched_as_its_boxes_are():
    picture = torch.zeros(20, 40, 3)
    picture[:, 10:30] = 1  # its middle square
    boxes = dense([0, 0, 40, 40], width=40, height=40)
    assert guide_video(boxes, "vace", picture=picture)[0].min() > 0.9
    stretched = guide_video(boxes, "vace", picture=picture, crop=False)[0][0]
    assert stretched[:, :8].max() < 0.1 and stretched[:, 12:28].min() > 0.9


def test_a_trail_of_ltx_boxes_ends_where_the_object_was_hidden():
    moving = [[x, 4, x + 50, 28] for x in range(0, 10, 2)]
    whole, after = (drawn(dense(*moving, hidden=hidden), "ltx boxes")[-1] for hidden in ([], [3]))
    trail = {(25 + 2 * f, 16) for f in range(5)}
    assert trail <= lit(whole) and lit(after) == lit(drawn(dense(moving[-1]), "ltx boxes")[0])


def test_the_newest_dot_is_red_to_the_model_and_so_blue_here():
    video = drawn(dense([100, 60, 140, 90], width=240, height=150), "ltx tracks")
    assert video[0, 75, 120].tolist() == [0, 0, 255]


def test_a_blob_at_the_border_is_squeezed():
    """As in the published node: the map is resized to what is left of it."""
    inside, border = (drawn(dense([x, 60, x + 20, 80], width=320, height=200), "fun blobs")[0] for x in (150, -10))
    assert min(inside.max(), border.max()) > 250
    assert lit(border) and max(x for x, _ in lit(border)) < 13  # half a blob is 13 pixels wide


@pytest.mark.parametrize(("style", "colors", "message"), [
    ("crayon", COLORS, "style is 'crayon': use one of vace, vace colours, white on black"),
    ("vace colours", COLORS, "2 colours for 1 objects: give one each"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused(style, colors, message):
    with pytest.raises(SMCDError, match=message):
        guide_video(dense([0, 0, 9, 9]), style, colors)


def test_a_video_that_would_not_fit_in_memory_is_refused_before_it_is_drawn():
    long = DenseBoxes(np.zeros((4096, 1, 4)), np.ones((4096, 1), bool), ("cat",), size=(832, 480))
    with pytest.raises(SMCDError, match="4096 frames of 832 x 480 pixels would take 18 GiB: lower length"):
        guide_video(long, "vace")
