"""One box per frame and object: what readers give and the model takes."""

import re

import numpy as np
import pytest
import torch

from smcd_core.trajectory.dense import DenseBoxes, absences, boxes_at, clip_boxes, dense_boxes
from smcd_core.trajectory.document import TrajectoryError, parse_trajectory


def moving():
    """Two objects over five frames; the second leaves the frame."""
    keys = [{"frame": 0, "box": [0.1, 0.1, 0.3, 0.3]}, {"frame": 4, "box": [0.5, 0.1, 0.7, 0.3]}]
    away = [{"frame": 0, "box": [0.7, 0.2, 0.9, 0.6]}, {"frame": 4, "box": [1.1, 0.2, 1.3, 0.6]}]
    objects = [
        {"phrase": "dog", "keys": keys, "strength": 0.5},
        {"phrase": "off", "keys": keys, "enabled": False},
        {"phrase": "cat", "keys": away},
    ]
    return parse_trajectory({"version": 1, "width": 64, "height": 48, "frames": 5, "fps": 12, "objects": objects})


@pytest.mark.parametrize("frames", [None, 1, 3, 9])
def test_dense_boxes_are_the_sampled_and_clipped_boxes_of_enabled_objects(frames):
    boxes = dense_boxes(moving(), frames)
    expected, mask = clip_boxes(*boxes_at(moving(), frames))
    assert torch.equal(torch.from_numpy(boxes.xyxy), expected) and np.array_equal(boxes.mask, mask)
    assert boxes.phrases == ("dog", "cat") and boxes.size == (64, 48) and boxes.fps == 12
    assert boxes.weights.dtype == np.float32
    np.testing.assert_array_equal(boxes.weights, mask.numpy() * np.array([0.5, 1]))


@pytest.mark.parametrize("frames", [1, 3, 5, 9])
def test_dense_boxes_at_other_frames_are_those_of_their_trajectory(frames):
    dense = dense_boxes(moving())
    again, expected = dense_boxes(dense, frames), dense_boxes(dense.to_trajectory(0.0), frames)
    np.testing.assert_array_equal(again.mask, expected.mask)
    np.testing.assert_allclose(again.xyxy, expected.xyxy, atol=1e-6)
    assert again.strengths == expected.strengths == (0.5, 1.0)


def test_a_trajectory_needs_a_size():
    boxes = DenseBoxes(np.zeros((2, 1, 4)), np.ones((2, 1), bool), ("dog",))
    with pytest.raises(TrajectoryError, match="size of the frame in pixels is not known"):
        boxes.to_trajectory()


def test_counts_that_differ_are_refused():
    with pytest.raises(TrajectoryError, match=r"boxes \[2, 1, 4\], mask \[2, 2\], 1 phrases"):
        DenseBoxes(np.zeros((2, 1, 4)), np.ones((2, 2), bool), ("dog",))
    with pytest.raises(TrajectoryError, match="2 strengths for 1 objects"):
        DenseBoxes(np.zeros((2, 1, 4)), np.ones((2, 1), bool), ("dog",), (1.0, 2.0))


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (["11111111"], "boxes are visible in 8 of 8 frames"),
        (
            ["10001001"],
            "boxes are visible in 3 of 8 frames; dog is not visible in frames 1-3 and 5-6: give it boxes there if it "
            "should move through them",
        ),
        (["11011111", "11111111"], "boxes are visible in 8 of 8 frames; dog is not visible in frame 2: give "),
        (["10101010", "00111111"], "7 of 8 frames; dog is not visible in frames 1, 3, 5 and 7, object 2 is not "),
        (["010101010101"], "6 of 12 frames; dog is not visible in frames 0, 2, 4, 6 and 2 more gaps: give"),
        (["10"] * 6, "dog is not visible in frame 1, .* and 2 more are not visible at times: give it boxes"),
    ],
)
def test_the_frames_without_an_object_are_named(seen, said):
    mask = np.array([[sign == "1" for sign in row] for row in seen]).T
    boxes = DenseBoxes(np.zeros((*mask.shape, 4)), mask, ("dog", *[""] * (len(seen) - 1)))
    assert re.search(said, absences(boxes)) and (mask.all() or ";" in absences(boxes))
