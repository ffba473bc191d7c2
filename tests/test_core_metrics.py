"""Grounding and fidelity scores, on pictures whose scores are known."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from smcd_core.colors import background, to_lab
from smcd_core.data import SyntheticClips, WorldClips
from smcd_core.data.synthetic import COLORS
from smcd_core.errors import SMCDError
from smcd_core.evaluation.metrics import (
    SIZES,
    assign,
    bootstrap_interval,
    color_drift,
    color_holds,
    colors_tell,
    find_colors,
    first_colors,
    frechet_distance,
    grounding,
    iou,
    match_detections,
    match_tracks,
    psnr,
    ssim,
)
from smcd_core.evaluation.peekaboo import localization
from smcd_core.trajectory.dense import dense_boxes
from smcd_core.trajectory.files import read_trajectory

DEMO = Path(__file__).parent.parent / "demo"
RED, BLUE = COLORS["red"], COLORS["blue"]
GOT10K = json.loads((Path(__file__).parent / "golden" / "got10k.json").read_text())
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


@pytest.mark.parametrize("name, drawn", [("beach", True), ("coffee", False), ("rocket", False)])
@pytest.mark.parametrize("side", [64, 128, 256, 512])
def test_colours_tell_objects_of_drawings_and_not_of_photographs(name, drawn, side):
    image = np.array(Image.open(DEMO / f"{name}.png").convert("RGB").resize((side, side)))
    asked = dense_boxes(read_trajectory(DEMO / f"{name}.json")[0])
    colors = first_colors(image, asked.xyxy, asked.mask)
    assert (colors_tell(image, asked.xyxy, asked.mask, colors) == drawn).all()


@pytest.mark.parametrize("dataset", [SyntheticClips, WorldClips])
def test_colours_tell_all_sprites_of_the_training_clips(dataset):
    clips = [clip for clip in dataset(40, split="test", num_frames=2) if clip.colors is not None]
    assert clips
    for clip in clips:
        colors = first_colors(clip.frames[0], clip.boxes_xyxy, clip.mask)
        for each in (clip.colors, colors):
            assert colors_tell(clip.frames[0], clip.boxes_xyxy, clip.mask, each).all()


def test_colours_tell_neither_twins_nor_objects_that_come_later():
    box, other = (0.1, 0.1, 0.4, 0.4), (0.5, 0.5, 0.9, 0.9)
    boxes, mask = np.tile([box, other, other], (2, 1, 1)), np.array([[True, True, False], [True, True, False]])
    twins = picture((RED, box), (RED, other))[0]
    assert colors_tell(twins, boxes, mask, [RED] * 3).tolist() == [False, True, True]  # the larger patch is found
    mask[:, 1:] = [[False, False], [True, False]]
    assert colors_tell(picture((RED, box))[0], boxes, mask, [RED, BLUE, RED]).tolist() == [True, False, True]


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


def test_psnr_is_that_of_scikit_image():
    image, reference = np.random.default_rng(0).integers(0, 256, (2, 24, 32, 3), dtype=np.uint8)
    assert psnr(image, reference) == pytest.approx(peak_signal_noise_ratio(reference, image), abs=1e-12)


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


def test_the_bootstrap_interval_is_the_percentile_interval_of_seeded_resamples():
    """Drawn by hand as every published interval was: the same seed gives the same clips."""
    random = np.random.default_rng(7)
    values, weights = random.random(24), random.integers(1, 9, 24)
    drawn = np.random.default_rng(3).integers(0, 24, (500, 24))
    means = (values * weights)[drawn].sum(1) / weights[drawn].sum(1)
    expected = np.quantile(means, [0.05, 0.95])
    assert bootstrap_interval(values, weights, confidence=0.9, resamples=500, seed=3) == pytest.approx(expected)


def test_the_bootstrap_interval_of_a_weighted_mean_is_that_of_all_boxes():
    values, counts = [1.0, 0.0], [3, 1]
    low, high = bootstrap_interval(values, counts, confidence=0.2)
    assert low == high == 0.75  # half of the draws have both clips: 3 boxes of 4
    assert bootstrap_interval(values, [3, 0]) == (1.0, 1.0)


# GOT-10k -------------------------------------------------------------------------------------------------------------


def as_frames(sequence: dict, name: str) -> np.ndarray:
    """xywh in pixels -> [F, 1, 4] xyxy in units of the frame"""
    boxes = np.array(sequence[name])
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    return (corners / ([GOT10K["width"], GOT10K["height"]] * 2))[:, None]


@pytest.mark.parametrize("case", GOT10K["cases"], ids=lambda case: case["kind"])
def test_ao_and_success_rates_are_those_of_the_official_toolkit(case):
    """Recorded from got10k 0.1.3; boxes of the second kind leave the frame on all sides."""
    scores = [
        grounding(as_frames(part, "found"), as_frames(part, "anno"), np.array(part["cover"])[:, None] > 0)
        for part in case["sequences"]
    ]
    weights = [entry["boxes"] for entry in scores]
    for name in ("ao", "sr50", "sr75"):
        assert np.average([entry[name] for entry in scores], weights=weights) == pytest.approx(case[name], abs=1e-9)
    ious = [np.array(entry["ao_frames"])[np.array(part["cover"]) > 0] for entry, part in zip(scores, case["sequences"])]
    expected = np.concatenate([part["iou"] for part in case["sequences"]])
    assert np.allclose(np.concatenate(ious), expected, rtol=0, atol=1e-9)


@given(st.tuples(*[st.floats(-60, 400)] * 4), st.tuples(*[st.floats(-60, 400)] * 4))
def test_iou_is_that_of_the_toolkits_formula_for_any_boxes(first, second):
    """rect_iou of the toolkit said again, for boxes in whole and broken pixels that may leave a frame of 320 x 240."""

    def rect(x, y, w, h):
        x, y = min(max(x, 0), 320), min(max(y, 0), 240)
        return x, y, min(max(abs(w), 0), 320 - x), min(max(abs(h), 0), 240 - y)

    def corners(x, y, w, h):
        return np.array([[[x, y, x + abs(w), y + abs(h)]]]) / [320, 240, 320, 240]

    (ax, ay, aw, ah), (bx, by, bw, bh) = rect(*first), rect(*second)
    inner = max(min(ax + aw, bx + bw) - max(ax, bx), 0) * max(min(ay + ah, by + bh) - max(ay, by), 0)
    expected = min(inner / (aw * ah + bw * bh - inner + np.finfo(float).eps), 1)
    found = grounding(corners(*first), corners(*second), np.array([[True]]))["ao"]
    # Pixels and units of the frame round differently: 1e-9 of an area of 1e-6 pixels is all that can be asked.
    if min(aw, ah, bw, bh) > 1e-3:
        assert found == pytest.approx(expected, abs=1e-9)


def test_ao_is_told_apart_by_the_size_of_the_object():
    side = {"tiny": 0.1, "small": 0.2, "medium": 0.3, "large": 0.5}
    assert side.keys() == SIZES.keys()
    boxes = np.array([[[0, 0, s, s] for s in side.values()]])
    found = boxes.copy()
    found[0, 0] = 0  # overlooked
    found[0, 1, 2] /= 2
    scores = grounding(found, boxes, np.ones((1, 4), bool))
    assert [scores[f"ao_{name}"] for name in side] == pytest.approx([0, 0.5, 1, 1])
    assert [scores[f"boxes_{name}"] for name in side] == [1, 1, 1, 1]
    unseen = grounding(found, boxes, np.array([[False, True, True, True]]))
    assert math.isnan(unseen["ao_tiny"]) and unseen["boxes_tiny"] == 0 and unseen["boxes"] == 3


# Matching ------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_assignment_is_the_best_of_all_permutations(objects, candidates, seed):
    overlap = np.random.default_rng(seed).random((objects, candidates))
    chosen = assign(overlap)
    total = sum(overlap[n, c] for n, c in enumerate(chosen) if c >= 0)
    padded = np.zeros((objects, objects + candidates))
    padded[:, :candidates] = overlap
    orders = itertools.permutations(range(objects + candidates), objects)
    assert total == pytest.approx(max(sum(padded[n, c] for n, c in enumerate(order)) for order in orders))


def test_greedy_choice_would_be_worse_than_the_assignment():
    assert assign(np.array([[0.6, 0.5], [0.55, 0.0]])).tolist() == [1, 0]
    assert assign(np.array([[0.0, 0.0]])).tolist() == [-1]  # no overlap is no match


LEFT, RIGHT = (0, 0, 0.4, 0.4), (0.5, 0.5, 0.9, 0.9)


def test_tracks_are_matched_for_the_whole_clip_and_only_with_their_phrase():
    boxes, mask = np.array([[LEFT, RIGHT]] * 3, float), np.ones((3, 2), bool)
    swapped = boxes[:, ::-1].copy()
    swapped[2] = boxes[2]  # the tracker mixes them up in the last frame: that is its error
    names = ["dog", "dog"]
    matched = match_tracks(swapped, mask, names, boxes, mask, names)
    assert np.array_equal(matched[:2], boxes[:2]) and np.array_equal(matched[2], boxes[2, ::-1])
    assert not match_tracks(boxes, mask, ["cat", "cat"], boxes, mask, names).any()
    assert np.array_equal(match_tracks(boxes, mask, ["", ""], boxes, mask, names), boxes)
    one = match_tracks(boxes[:, 1:], mask[:, 1:], [""], boxes, mask, names)
    assert not one[:, 0].any() and np.array_equal(one[:, 1], boxes[:, 1])
    assert not match_tracks(boxes[:, :0], mask[:, :0], [], boxes, mask, names).any()


@pytest.mark.parametrize("change, message", [
    ({"found": np.zeros((1, 2, 4))}, r"float64 \[1, 2, 4\], float64 \[3, 2, 4\], bool \[3, 2\]: give \[F, N, 4\]"),
    ({"mask": np.ones((3, 2), int)}, "a mask of bool"),
    ({"found": np.full((3, 2, 4), 40.0)}, "found boxes hold NaN or numbers beyond 17: give units of the frame"),
    ({"boxes": np.full((3, 2, 4), np.nan)}, "boxes hold NaN"),
])  # fmt: skip
def test_boxes_that_cannot_be_meant_are_refused(change, message):
    """They were broadcast, taken for indices, or scored 0."""
    boxes = np.array([[LEFT, RIGHT]] * 3, float)
    given = {"found": boxes, "boxes": boxes, "mask": np.ones((3, 2), bool)} | change
    for measure in (grounding, localization):
        with pytest.raises(SMCDError, match=message):
            measure(*given.values())


def test_pictures_that_cannot_be_meant_are_refused():
    """Floats of 0 to 1 gave 114 dB."""
    whole = np.zeros((2, 8, 8, 3), np.uint8)
    for other, found in ((whole / 255, "float64"), (whole[:1], r"\[1, 8, 8, 3\]")):
        with pytest.raises(SMCDError, match=f"found images of .*{found}.*: give uint8"):
            psnr(whole, other)
    with pytest.raises(SMCDError, match="give uint8"):
        color_drift(whole / 255, np.zeros((2, 1, 4)), np.ones((2, 1), bool))


def test_only_the_surest_detections_of_a_phrase_count():
    boxes, mask = np.array([[LEFT, RIGHT, LEFT]], float), np.array([[True, True, False]])
    dogs = np.array([RIGHT, LEFT, (0.1, 0, 0.4, 0.4)]), np.array([0.9, 0.3, 0.8])
    detections = [{"dog": dogs, "cat": (np.array([LEFT]), np.array([0.9]))}]
    found = match_detections(detections, boxes, mask, ["dog", "dog", "cat"])
    assert found[0, 0].tolist() == [0.1, 0, 0.4, 0.4]  # the exact box is only third in score, and two dogs are there
    assert found[0, 1].tolist() == list(RIGHT)
    assert not found[0, 2].any()  # not visible, so no detection belongs to it
    nothing = [{"dog": (np.zeros((0, 4)), np.zeros(0)), "cat": (np.zeros((0, 4)), np.zeros(0))}]
    assert not match_detections(nothing, boxes, mask, ["dog", "dog", "cat"]).any()


# Colours and pictures ------------------------------------------------------------------------------------------------


def test_lab_is_that_of_known_colours():
    """Recorded from skimage.color.rgb2lab 0.26, whose matrix has fewer digits."""
    colors = np.array([[255, 0, 0], [12, 200, 30], [128, 128, 128], [3, 7, 90]])
    expected = [[53.2406, 80.0923, 67.2028], [70.5096, -70.4279, 64.9529], [53.5850, 0, 0], [8.2108, 32.7136, -47.7110]]
    assert np.allclose(to_lab(colors), expected, atol=5e-3)
    every = np.random.default_rng(0).integers(0, 256, (500, 3))
    assert np.allclose(to_lab(every), rgb2lab(every / 255), atol=5e-3)


def test_colour_drift_is_the_lab_distance_from_the_first_visible_frame():
    box = (0.25, 0.25, 0.75, 0.75)
    video = np.concatenate([picture((color, box)) for color in ((0, 0, 0), (128,) * 3, (255,) * 3, (128,) * 3)])
    boxes = np.tile(box, (4, 1, 1))
    drift = color_drift(video, boxes, np.ones((4, 1), bool))
    assert math.isnan(drift[0, 0])
    assert drift[1:, 0] == pytest.approx([53.585, 100, 53.585], abs=1e-3)  # L of grey, of white
    later = color_drift(video, boxes, np.array([[False], [True], [False], [True]]))
    assert np.isnan(later[:3, 0]).all() and later[3, 0] == pytest.approx(0)


def test_ssim_is_that_of_the_reference_implementation():
    """Recorded from skimage.metrics.structural_similarity 0.26 with the settings of Wang et al."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    noisy = (image.astype(int) + rng.integers(-40, 41, image.shape)).clip(0, 255).astype(np.uint8)
    assert ssim(image, noisy) == pytest.approx(0.9565729300602274, abs=1e-9)
    assert ssim(image, image) == 1.0


def test_ssim_of_picked_pixels_sees_only_what_changed_there():
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (2, 40, 48, 3), dtype=np.uint8)
    changed = video.copy()
    changed[:, 10:20, 10:20] = 255 - changed[:, 10:20, 10:20]
    near = np.zeros((2, 40, 48), bool)
    near[:, 5:25, 5:25] = True  # as far as the window reaches
    assert ssim(changed, video, ~near) == 1.0
    assert ssim(changed, video, near) < 0.8
    whole = np.mean([ssim(a, b) for a, b in zip(changed, video, strict=True)])
    share = near[:, 5:-5, 5:-5].mean()
    parts = share * ssim(changed, video, near) + (1 - share) * ssim(changed, video, ~near)
    assert parts == pytest.approx(whole, abs=1e-12)
    assert math.isnan(ssim(changed, video, np.zeros_like(near)))


def test_ssim_of_flat_pictures_is_its_closed_form():
    black, grey = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 100, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(black, grey) == pytest.approx(c1 / (100**2 + c1))
    with pytest.raises(ValueError, match="at least 11 x 11 pixels, found 16 x 8"):
        ssim(black[:8], grey[:8])


# Frechet distance ----------------------------------------------------------------------------------------------------


def with_moments(mean: np.ndarray, covariance: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Features [count, D] whose sample mean and covariance are exactly these."""
    noise = np.random.default_rng(seed).normal(size=(count, len(mean)))
    noise -= noise.mean(0)
    noise = noise @ np.linalg.inv(np.linalg.cholesky(np.cov(noise.T))).T
    return noise @ np.linalg.cholesky(covariance).T + mean


def test_frechet_distance_of_diagonal_covariances_is_its_closed_form():
    a = with_moments(np.array([1.0, 2, 3]), np.diag([1.0, 4, 9]), 40, 0)
    b = with_moments(np.array([1.0, 0, 3]), np.diag([4.0, 4, 1]), 50, 1)
    assert frechet_distance(a, b) == pytest.approx(2**2 + (1 - 2) ** 2 + 0 + (3 - 1) ** 2)
    assert frechet_distance(a, a + 5) == pytest.approx(3 * 25) and frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_distance_of_covariances_that_do_not_commute_is_that_of_the_matrix_root():
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(2)
    factors = rng.normal(size=(2, 5, 5))
    c1, c2 = (factor @ factor.T + np.eye(5) for factor in factors)
    m1, m2 = rng.normal(size=(2, 5))
    expected = ((m1 - m2) ** 2).sum() + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    found = frechet_distance(with_moments(m1, c1, 30, 3), with_moments(m2, c2, 20, 4))
    assert found == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_holds_with_fewer_clips_than_features():
    """Features that lie in a plane: the other 30 dimensions are 0 and change nothing."""
    plane = [with_moments(np.array([m, 0.0]), np.diag([s, 1.0]), 6, seed) for m, s, seed in ((0, 1, 5), (3, 16, 6))]
    wide = [np.concatenate([part, np.zeros((6, 30))], 1) for part in plane]
    assert frechet_distance(*wide) == pytest.approx(9 + 9)
    with pytest.raises(ValueError, match="needs 2 clips on each side, found 1 and 6"):
        frechet_distance(wide[0][:1], wide[1])
