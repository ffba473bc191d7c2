"""Grounding and fidelity scores, on pictures whose scores are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smcd_core.data.synthetic import COLORS
from smcd_core.metrics import background, bootstrap_interval, color_holds, find_colors, grounding, iou, psnr

RED, BLUE = COLORS["red"], COLORS["blue"]
coordinate = st.floats(0, 1)


def picture(*patches, frames=1, size=64) -> np.ndarray:
    """Pale grey with patches of (color, xyxy in units of the frame)."""
    video = np.full((frames, size, size, 3), 210, np.uint8)
    for color, (x1, y1, x2, y2) in patches:
        video[:, round(y1 * size) : round(y2 * size), round(x1 * size) : round(x2 * size)] = color
    return video


@pytest.mark.parametrize(
    "box, other, expected",
    [
        ((0, 0, 1, 1), (0, 0, 1, 1), 1.0),
        ((0, 0, 0.5, 1), (0.5, 0, 1, 1), 0.0),  # touching
        ((0, 0, 0.5, 1), (0, 0, 1, 1), 0.5),
        ((0, 0, 0.5, 0.5), (0.25, 0.25, 0.75, 0.75), 1 / 7),
        ((0.3, 0.3, 0.3, 0.9), (0.3, 0.3, 0.3, 0.9), 0.0),  # no area
    ],
)
def test_iou_of_known_boxes(box, other, expected):
    assert iou(np.array(box), np.array(other)) == pytest.approx(expected, abs=1e-12)


@given(st.tuples(*[coordinate] * 4), st.tuples(*[coordinate] * 4))
def test_iou_is_symmetric_and_between_0_and_1(box, other):
    a, b = np.array(box), np.array(other)
    assert 0 <= iou(a, b) <= 1 and iou(a, b) == iou(b, a)


def test_scores_are_means_over_the_visible_boxes():
    boxes = np.array([[[0, 0, 1, 1]], [[0, 0, 1, 1]], [[0, 0, 0, 0]]], float)
    found = np.array([[[0, 0, 1, 1]], [[0, 0, 0.6, 1]], [[0, 0, 1, 1]]], float)
    scores = grounding(found, boxes, np.array([[True], [True], [False]]))
    assert scores["ao"] == pytest.approx(0.8)
    assert scores["sr50"] == 1.0 and scores["sr75"] == 0.5
    assert scores["ao_frames"] == pytest.approx([1.0, 0.6, math.nan], nan_ok=True)


def test_a_clip_without_visible_boxes_has_no_score():
    assert math.isnan(grounding(np.zeros((2, 1, 4)), np.zeros((2, 1, 4)), np.zeros((2, 1), bool))["ao"])


def test_objects_are_found_by_their_colour_whatever_their_brightness():
    box, other = (0.25, 0.125, 0.5, 0.5), (0.5, 0.5, 0.875, 0.75)
    video = picture((RED, box), (tuple(c * 3 // 4 for c in BLUE), other))
    found = find_colors(video, [RED, BLUE, COLORS["green"]])
    assert np.allclose(found[0, :2], [box, other]) and not found[0, 2].any()


def test_specks_and_pale_things_are_not_objects():
    video = picture((RED, (0.5, 0.5, 0.51, 0.51)), ((215, 195, 195), (0, 0, 0.4, 0.4)))
    assert not find_colors(video, [RED]).any()


def test_the_largest_patch_counts_where_a_colour_is_in_two_places():
    video = picture((RED, (0, 0, 0.125, 0.125)), (RED, (0.5, 0.5, 1, 1)))
    assert np.allclose(find_colors(video, [RED])[0, 0], (0.5, 0.5, 1, 1))


def test_a_colour_that_changed_does_not_hold():
    box = (0.25, 0.25, 0.75, 0.75)
    video = np.concatenate([picture((RED, box)), picture((BLUE, box)), picture()])
    holds = color_holds(video, np.tile(box, (3, 1, 1)), np.array([[True], [True], [True]]), [RED])
    assert holds[:, 0].tolist() == [1, 0, 0]


def test_psnr_of_a_known_error():
    a = np.zeros((4, 4, 3), np.uint8)
    assert psnr(a + 255, a) == pytest.approx(0) and psnr(a, a) == math.inf
    assert psnr(a + 1, a) == pytest.approx(48.13, abs=0.01)
    upper = np.zeros((4, 4), bool)
    upper[:2] = True
    changed = a.copy()
    changed[2:] = 255
    assert psnr(changed, a, upper) == math.inf


def test_background_is_what_no_visible_box_covers():
    boxes = np.array([[[0, 0, 0.5, 1], [0.5, 0, 1, 1]]])
    scene = background(boxes, np.array([[True, False]]), 8, 8, margin=0)
    assert not scene[0, :, :4].any() and scene[0, :, 4:].all()


def test_the_bootstrap_interval_is_that_of_the_normal_distribution_for_many_values():
    values = np.random.default_rng(1).normal(3, 2, 400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / 20  # standard error of a mean of 400
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)  # 2,000 resamples know a 2.5 % quantile to 5 %
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)
    narrow = bootstrap_interval(values, confidence=0.5)
    assert narrow[1] - narrow[0] == pytest.approx((high - low) * 0.6745 / 1.96, rel=0.1)


def test_the_bootstrap_interval_is_repeatable_and_leaves_out_what_is_not_finite():
    values = [0.1, 0.4, 0.7, 0.9]
    assert bootstrap_interval(values) == bootstrap_interval([*values, math.nan, math.inf])
    assert bootstrap_interval([0.5]) == (0.5, 0.5)
    assert all(math.isnan(end) for end in bootstrap_interval([math.nan]))


def test_the_bootstrap_interval_of_a_weighted_mean_is_that_of_all_boxes():
    values, counts = [1.0, 0.0], [3, 1]
    low, high = bootstrap_interval(values, counts, confidence=0.2)
    assert low == high == 0.75  # half of the draws have both clips: 3 boxes of 4
    assert bootstrap_interval(values, [3, 0]) == (1.0, 1.0)
