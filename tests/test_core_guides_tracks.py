"""Points in boxes, for models that move what is at a point of the first frame."""

import json

import numpy as np
import pytest
import torch

from smcd_core.errors import SMCDError
from smcd_core.guides.fit import fit
from smcd_core.guides.tracks import (
    WAN_MOVE_SPACING,
    as_ati,
    as_coordinates,
    as_tracks,
    ati_index,
    ati_refusal,
    left_out,
    point_tracks,
)
from smcd_core.trajectory.document import parse_trajectory
from smcd_core.trajectory.values import trajectory_from_value


def boxes(*objects, size=(160, 80), frames=9):
    """Each object is a list of keys (frame, box, visible)."""
    objects = [
        {"phrase": f"{n}", "keys": [{"frame": f, "box": box, "visible": visible} for f, box, visible in keys]}
        for n, keys in enumerate(objects)
    ]
    document = {"version": 1, "width": size[0], "height": size[1], "frames": frames, "objects": objects}
    return fit(parse_trajectory(document), *size, frames)


GROWING = [(0, [0.1, 0.1, 0.2, 0.2], True), (8, [0.4, 0.2, 0.8, 1.0], True)]
RESTING = [(0, [0.0, 0.0, 0.25, 0.5], True)]


def test_tracks_and_coordinates_are_the_middles_in_pixels():
    box = {"x": 20, "y": 10, "width": 60, "height": 40}
    value = [[box, box | {"x": 100}], [box | {"x": 30}, box | {"x": 100}]]
    trajectory, _ = trajectory_from_value(value, width=200, height=100, frames=2)
    middles = point_tracks(fit(trajectory, 200, 100, 2, crop=False), points=1)
    tracks = as_tracks(middles)
    assert tracks["track_path"].shape == (2, 2, 2) and tracks["track_visibility"].dtype == torch.bool
    assert tracks["track_path"][1, 0].tolist() == pytest.approx([60.0, 30.0])
    assert json.loads(as_coordinates(middles))[0] == [{"x": 50, "y": 30}, {"x": 60, "y": 30}]


def test_points_keep_their_place_in_a_box_that_grows():
    tracks = point_tracks(boxes(GROWING), points=2)
    assert tracks.path[0].tolist() == [[20, 10], [28, 10], [20, 14], [28, 14]]
    assert tracks.path[8].tolist() == [[80, 32], [112, 32], [80, 64], [112, 64]]


def test_there_are_as_many_points_as_the_largest_box_needs():
    tracks = point_tracks(boxes(GROWING))  # 64 x 64 pixels at the end
    assert tracks.path.shape[1] == 16
    assert np.diff(np.unique(tracks.path[8, :, 0])).max() <= WAN_MOVE_SPACING


def test_points_outside_or_hidden_or_covered_in_the_first_frame_are_left_out():
    half_outside = [(0, [-0.25, 0.0, 0.25, 1.0], True)]
    hidden = [(0, [0.5, 0.5, 0.75, 1.0], False), (1, [0.5, 0.5, 0.75, 1.0], True)]
    below = [(0, [0.8, 0.5, 1.0, 1.0], True)]
    above = [(0, [0.75, 0.25, 1.0, 1.0], True)]
    given = boxes(half_outside, hidden, below, above)
    tracks = point_tracks(given, points=4)
    assert np.bincount(tracks.of).tolist() == [8, 0, 0, 16]
    assert (tracks.path[0] >= 0).all() and (tracks.path[0] < [160, 80]).all() and tracks.visible[0].all()
    assert left_out(given, tracks) == [
        "object 2 of 4 (1) is left out: in frame 0 it is hidden, and the model moves what frame 0 shows: show it "
        "there, or disable it",
        "object 3 of 4 (2) is left out: in frame 0 it is outside the frame or behind others, and the model moves what "
        "frame 0 shows: show it there, or disable it",
    ]


def test_a_point_on_the_border_is_inside_on_the_left_only():
    tracks = point_tracks(boxes([(0, [-0.1, 0.4, 0.1, 0.6], True)], [(0, [0.9, 0.4, 1.1, 0.6], True)]), points=1)
    assert tracks.of.tolist() == [0]


def test_points_rounded_onto_the_border_are_outside():
    tracks = point_tracks(boxes([(0, [0.9, 0.4, 1.0999999, 0.6], True)]), points=1)
    assert tracks.path.shape == (9, 0, 2)


def test_an_object_behind_another_comes_back():
    passing = [(0, [0.0, 0.4, 0.1, 0.6], True), (8, [0.8, 0.4, 0.9, 0.6], True)]
    wall = [(0, [0.4, 0.0, 0.6, 1.0], True)]
    visible = point_tracks(boxes(passing, wall), points=1).visible[:, 0]
    assert visible.tolist() == [True] * 4 + [False] * 2 + [True] * 3
    assert point_tracks(boxes(wall, passing), points=1).visible[:, 1].all()


def test_of_points_that_meet_in_a_cell_the_one_in_front_stays():
    low = [(0, [0.0, 0.0, 0.05, 0.1], True), (8, [0.5, 0.5, 0.51, 0.51], True)]
    high = [(0, [0.9, 0.9, 0.95, 1.0], True), (8, [0.52, 0.52, 0.53, 0.53], True)]
    tracks = as_tracks(point_tracks(boxes(low, high), points=2))["track_visibility"]
    assert tracks[0].all() and tracks[8].tolist() == [False] * 4 + [True] + [False] * 3


def test_anchors_keep_away_from_boxes():
    tracks = point_tracks(boxes(GROWING, RESTING), points=1, anchors=8)
    still = tracks.path[:, tracks.of < 0]
    assert 0 < still.shape[1] < 64 and (still == still[0]).all() and tracks.visible[:, tracks.of < 0].all()
    assert not ((still[0] < [48, 48]).all(-1)).any()


def test_hidden_points_lie_far_outside_in_text():
    blinking = [(0, [0.1, 0.1, 0.2, 0.2], True), (3, [0.1, 0.1, 0.2, 0.2], False), (5, [0.1, 0.1, 0.2, 0.2], True)]
    ((*track,),) = json.loads(as_coordinates(point_tracks(boxes(blinking), points=1)))
    assert [point["x"] for point in track] == [24.0] * 3 + [-1600.0] * 2 + [24.0] * 4


def test_ati_keeps_the_mean_of_the_visible_frames_of_a_latent_frame():
    blinking = [(0, [0.1, 0.1, 0.2, 0.2], True), (4, [0.1, 0.1, 0.2, 0.2], False)]
    moving = [(0, [0.0, 0.4, 0.1, 0.6], True), (2, [0.2, 0.4, 0.3, 0.6], False), (3, [0.3, 0.4, 0.4, 0.6], True)]
    first, second = json.loads(as_ati(point_tracks(boxes(blinking, moving), points=1)))
    read = ati_index(9)
    assert len(first) == len(second) == 121
    # Hidden in frame 4, one of four, and then in all.
    assert [first[index]["x"] for index in read] == [24.0] * 5 + [-1600.0] * 4
    x1, x3, x4 = 24.0, 56.0, 56.0
    assert [second[index]["x"] for index in read[1:5]] == pytest.approx([x1, (x1 + x3 + x4) / 3, x3, x4], abs=0.01)


@pytest.mark.parametrize(
    "length, message",
    [
        (1, "needs 5 frames or more"),
        (80, "4n \\+ 1 frames, the nearest is 81"),
        (121, "use 117 or 125"),
        (241, "use 237 or 245"),
        (361, "use 357 or 365"),
    ],
)
def test_lengths_that_ati_cannot_take_are_refused_with_the_reason(length, message):
    with pytest.raises(SMCDError, match=message):
        as_ati(point_tracks(boxes(RESTING, frames=length)))
    assert ati_refusal(81) is None


def test_a_trajectory_without_objects_gives_no_points():
    tracks = point_tracks(boxes())
    assert as_tracks(tracks)["track_path"].shape == (9, 0, 2)
    assert (as_coordinates(tracks), as_ati(tracks)) == ("[]", "[]")


def test_too_many_points_are_refused():
    everywhere = [(0, [0, 0, 1, 1], True)]
    with pytest.raises(SMCDError, match="32 x 32 points in 1 objects over 4096 frames are too many"):
        point_tracks(boxes(everywhere, frames=4096), points=32)
    assert point_tracks(boxes(everywhere, frames=4096), points=8).path.shape == (4096, 64, 2)
