"""Boxes on the picture that another model's nodes crop, at the length of its video."""

import numpy as np
import pytest

from smcd_core.guides.fit import LTX, WAN, crop_of, cut_off, fit, of_another_shape, off_grid, pixels, told
from smcd_core.trajectory.dense import DenseBoxes
from smcd_core.trajectory.document import TrajectoryError, parse_trajectory


def document(*keys, width=200, height=100, frames=9, **values):
    keys = [{"frame": frame, "box": box} for frame, box in keys]
    return parse_trajectory(
        {"version": 1, "width": width, "height": height, "frames": frames, "objects": [{"phrase": "cat", "keys": keys}]}
        | values
    )


MOVING = document((0, [0.25, 0.5, 0.5, 1.0]), (8, [0.5, 0.0, 0.75, 0.5]))


def test_a_wide_picture_loses_its_sides():
    fitted = fit(MOVING, 50, 50, 9)
    # 200 x 100 -> 100 x 100 from x = 50, at half the size
    assert pixels(fitted)[0, 0].tolist() == [0, 25, 25, 50]
    assert pixels(fitted)[8, 0].tolist() == [25, 0, 50, 25]
    assert fitted.size == (50, 50)


def test_a_tall_picture_loses_top_and_bottom():
    tall = document((0, [0.0, 0.25, 1.0, 0.75]), width=100, height=200)
    assert pixels(fit(tall, 80, 80, 1))[0, 0].tolist() == [0, 0, 80, 80]


def test_a_stretch_keeps_fractions():
    assert pixels(fit(MOVING, 50, 50, 9, crop=False))[0, 0].tolist() == [12.5, 25, 25, 50]


def test_a_length_is_sampled_evenly_from_first_to_last_frame():
    fitted = fit(MOVING, 200, 100, 81)
    assert fitted.frames == 81
    assert np.allclose(pixels(fitted)[:, 0, 0], np.linspace(50, 100, 81))


def test_dense_boxes_are_fitted_like_the_document_they_come_from():
    dense = fit(MOVING, 200, 100, 9, crop=False)
    assert np.allclose(fit(dense, 64, 64, 17).xyxy, fit(MOVING, 64, 64, 17).xyxy)


def test_boxes_outside_the_crop_stay_where_they_are_unclipped():
    assert pixels(fit(document((0, [-0.5, 0.0, 0.1, 1.0])), 50, 50, 1))[0, 0].tolist() == [-75, 0, -15, 50]


def test_disabled_objects_are_left_out_and_inverted_boxes_hidden():
    data = MOVING.to_dict()
    data["objects"].append({**data["objects"][0], "id": "b", "enabled": False})
    assert fit(parse_trajectory(data), 64, 64, 9).mask.shape == (9, 1)
    inverted = DenseBoxes(np.array([[[0.5, 0, 0.4, 1]]]), np.array([[True]]), ("",))
    assert not fit(inverted, 64, 64, 1, crop=False).mask.any()


def test_a_document_without_objects_gives_no_boxes():
    assert fit(document(objects=[]), 64, 64, 5).xyxy.shape == (5, 0, 4)


def test_a_crop_that_cuts_into_boxes_names_each_with_its_worst_frame():
    # 200 x 100 -> 100 x 100 from x = 50; the box is 50 wide, and half of it is cut off in frames 0 and 8
    moving = document((0, [0.125, 0.5, 0.375, 1.0]), (8, [0.65, 0.0, 0.9, 0.5]))
    assert cut_off(fit(moving, 50, 50, 9), (200, 100)) == [
        "the crop cuts off 60 % of object 1 (cat) in frame 8: choose a size nearer to the image's shape, or stretch "
        "it. What is left is the middle 100 x 100 of its 200 x 100 pixels"
    ]
    many = document(objects=[{"phrase": str(n), "keys": [{"frame": 0, "box": [0, 0, 0.5, 1]}]} for n in range(6)])
    assert cut_off(fit(many, 50, 50, 9), (200, 100))[0].count("50 % of object") == 3
    assert "in frame 0, parts of 3 more: choose" in cut_off(fit(many, 50, 50, 9), (200, 100))[0]


@pytest.mark.parametrize(
    "keys",
    [
        [(0, [0.25, 0.0, 0.75, 1.0])],
        [(0, [-0.5, 0.0, -0.1, 1.0])],  # outside the image as well
        [(0, [0.0, 0.0, 0.1, 1.0], False)],  # hidden
        [(0, [0.249, 0.0, 0.75, 1.0])],  # a hair
    ],
)
def test_a_crop_that_takes_nothing_of_a_box_is_no_loss(keys):
    given = [{"frame": frame, "box": box, "visible": not hidden} for frame, box, *hidden in keys]
    trajectory = document(objects=[{"phrase": "cat", "keys": given}])
    assert cut_off(fit(trajectory, 50, 50, 9), (200, 100)) == []


def test_what_was_fitted_is_told_in_one_line():
    assert told(fit(MOVING, 50, 50, 9), (200, 100), (200, 100), True) == [
        "1 object, 9 frames of 50 x 50 pixels, the middle 100 x 100 of the image's 200 x 100"
    ]
    assert told(fit(MOVING, 50, 50, 1, False), (200, 100), (200, 100), False) == ["1 object, 1 frame of 50 x 50 pixels"]


def test_boxes_of_another_shape_are_told_and_those_of_another_size_not():
    assert of_another_shape((128, 128), (600, 400)) == [
        "the boxes are stretched to the image: see that they lie on its objects. They are for 128 x 128 pixels, "
        "another shape than its 600 x 400"
    ]
    assert of_another_shape((832, 480), (1920, 1080)) == of_another_shape((300, 200), (600, 400)) == []


@pytest.mark.parametrize(
    "given, message",
    [
        ((0, 64, 9), "width"),
        ((64, 20000, 9), "height"),
        ((64, 64, 0), "length"),
        ((64, 64, 4097), "length"),
    ],
)
def test_targets_out_of_range_are_refused(given, message):
    with pytest.raises(TrajectoryError, match=message):
        fit(MOVING, *given)


def test_4096_frames_are_fitted():
    assert fit(MOVING, 64, 64, 4096).frames == 4096


def test_a_crop_of_boxes_without_a_size_is_refused():
    dense = DenseBoxes(np.zeros((1, 1, 4)), np.ones((1, 1), bool), ("",))
    with pytest.raises(TrajectoryError, match="give its width and height"):
        fit(dense, 64, 64, 1)


def test_a_crop_that_leaves_nothing_is_refused():
    with pytest.raises(TrajectoryError, match="nothing is left of a picture of 1 x 4096"):
        crop_of(1, 4096, 832, 16)


def test_lengths_and_sizes_off_the_grid_name_the_nearest():
    assert off_grid(832, 480, 81, WAN) == [] and off_grid(768, 448, 121, LTX) == []
    assert off_grid(830, 480, 80, WAN) == [
        "length is 80: Wan makes 4n + 1 frames, the nearest is 81",
        "width is 830: Wan takes multiples of 16, the nearest is 832",
    ]
    assert [line[-3:] for line in off_grid(840, 470, 120, LTX)] == ["121", "832", "448"]
    assert off_grid(1, 16, 1, WAN) == ["width is 1: Wan takes multiples of 16, the nearest is 16"]
