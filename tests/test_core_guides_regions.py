"""Masks of phrases: one per latent frame, with the share of each cell that a box covers."""

import numpy as np
import pytest
import torch

from smcd_core.errors import SMCDError
from smcd_core.guides.regions import region_masks
from smcd_core.trajectory.dense import DenseBoxes


def dense(boxes, hidden=(), width=64, height=32):
    """One object with these boxes in pixels, frame by frame."""
    xyxy = np.array(boxes, np.float64)[:, None] / [width, height, width, height]
    mask = np.array([[frame not in hidden] for frame in range(len(boxes))])
    return DenseBoxes(xyxy, mask, ("cat",), size=(width, height))


def test_a_mask_has_a_frame_for_each_latent_frame_and_a_cell_for_8_pixels():
    assert region_masks(dense([[0, 0, 8, 8]] * 9), 4).shape == (1, 3, 4, 8)
    assert region_masks(dense([[0, 0, 8, 8]] * 9), 8).shape == (1, 2, 4, 8)
    assert region_masks(dense([[0, 0, 8, 8]]), 4).shape == (1, 1, 4, 8)


def test_a_cell_has_the_share_that_the_box_covers():
    mask = region_masks(dense([[4, 8, 24, 20]]), 4)[0, 0]
    expected = torch.zeros(4, 8)
    expected[1, :3] = torch.tensor([0.5, 1, 1])
    expected[2, :3] = torch.tensor([0.25, 0.5, 0.5])
    torch.testing.assert_close(mask, expected)


def test_the_first_latent_frame_is_frame_0_alone_and_the_others_are_means():
    boxes = [[0, 0, 8, 8], *[[8 * n, 0, 8 * n + 8, 8] for n in (1, 2, 3, 3)]]
    mask = region_masks(dense(boxes), 4)[0]
    assert mask[0, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert mask[1, 0].tolist() == [0, 0.25, 0.25, 0.5, 0, 0, 0, 0]


def test_hidden_frames_count_as_nothing():
    mask = region_masks(dense([[0, 0, 8, 8]] * 5, hidden=[0, 2]), 4)[0]
    assert mask[0].max() == 0 and mask[1, 0, 0] == 0.75


def test_what_is_outside_covers_nothing():
    assert region_masks(dense([[-20, -20, -4, -4]]), 4).max() == 0
    assert region_masks(dense([[-20, -20, 400, 400]]), 4).min() == 1


def test_without_objects_there_are_no_masks():
    nothing = DenseBoxes(np.zeros((5, 0, 4)), np.zeros((5, 0), bool), (), size=(64, 32))
    assert region_masks(nothing, 4).shape == (0, 2, 4, 8)


def test_a_length_off_the_grid_is_refused():
    with pytest.raises(SMCDError, match=r"length is 8: with 4 frames to a latent frame it must be 4n \+ 1"):
        region_masks(dense([[0, 0, 8, 8]] * 8), 4)
