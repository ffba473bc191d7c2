"""Measures of control, each against a computation of another kind."""

import math

import numpy as np
import pytest

from smcd_core.data import Clip
from smcd_core.evaluation.peekaboo import localization
from smcd_core.evaluation.scores import score_row

GRID = 16  # pixels of a side in the computations by pixel; boxes lie on their edges


def random_boxes(rng, frames=6, objects=3):
    """boxes [F, N, 4] on the grid, in units of the frame."""
    start = rng.integers(0, GRID - 1, (frames, objects, 2))
    return np.concatenate([start, rng.integers(start + 1, GRID + 1)], -1) / GRID


def filled(box):
    """bool [GRID, GRID], the pixels of a box."""
    x1, y1, x2, y2 = (round(edge * GRID) for edge in box)
    pixels = np.zeros((GRID, GRID), bool)
    pixels[y1:y2, x1:x2] = True
    return pixels


def cases(seed):
    """found, boxes, mask: some objects missed for long, some hidden, some where they should be."""
    rng = np.random.default_rng(seed)
    boxes, mask = random_boxes(rng), rng.random((6, 3)) > 0.2
    found = np.where(rng.random((6, 3, 1)) > 0.4, boxes, random_boxes(rng)) * (rng.random((6, 3, 1)) > 0.35)
    return found, boxes, mask


@pytest.mark.parametrize("seed", range(20))
def test_peekaboos_measures_are_those_of_a_count_of_pixels(seed):
    found, boxes, mask = cases(seed)
    width, height = 320, 176
    covered, pooled, hits, distances = [], [], [], []
    for n in range(3):
        both = either = seen = 0
        for frame in np.flatnonzero(mask[:, n]):
            wanted, made = filled(boxes[frame, n]), filled(found[frame, n])
            both, either = both + (wanted & made).sum(), either + (wanted | made).sum()
            if made.any():
                seen += 1
                hits.append((wanted & made).sum() / (wanted | made).sum() >= 0.5)
                away = [np.argwhere(pixels).mean(0) / GRID for pixels in (wanted, made)]
                dy, dx = away[0] - away[1]
                distances.append(math.hypot(dx * width, dy * height) / math.hypot(width, height))
        if mask[:, n].any():
            covered.append(seen > mask[:, n].sum() / 2)
            pooled += [both / either] if covered[-1] else []
    scores = localization(found, boxes, mask, (width, height))
    assert scores["coverage"] == pytest.approx(np.mean(covered)) and scores["objects"] == len(covered)
    assert scores["miou"] == pytest.approx(np.mean(pooled) if pooled else math.nan, nan_ok=True)
    assert scores["ap50"] == pytest.approx(np.mean(hits)) and scores["boxes_found"] == len(hits)
    assert scores["centroid_distance"] == pytest.approx(np.mean(distances))


def test_half_of_the_frames_are_not_enough_to_cover_an_object():
    boxes = np.tile([0.0, 0, 0.5, 0.5], (4, 1, 1))
    half, more = (boxes * (np.arange(4) < count)[:, None, None] for count in (2, 3))
    everywhere = np.ones((4, 1), bool)
    assert localization(half, boxes, everywhere)["coverage"] == 0
    assert localization(more, boxes, everywhere) == {
        "coverage": 1, "miou": 0.75, "ap50": 1, "centroid_distance": 0,
        "objects": 1, "objects_covered": 1, "boxes_found": 3,
    }  # fmt: skip
    nothing = localization(boxes * 0, boxes, everywhere)
    assert nothing["coverage"] == 0 and math.isnan(nothing["miou"]) and math.isnan(nothing["ap50"])


def test_peekaboos_measures_of_a_row_are_means_over_all_that_they_count():
    """Two clips of different lengths, with different numbers of objects."""
    clips, videos, all_found = [], [], []
    for seed, frames in ((0, 6), (1, 4)):
        found, boxes, mask = (part[:frames] for part in cases(seed))
        clips.append(Clip(np.zeros((0, 8, 8, 3), np.uint8), boxes, mask, ("a", "b", "c"), "a"))
        videos.append(np.zeros((frames, 8, 8, 3), np.uint8))
        all_found.append(found)
    row = score_row(videos, clips, found=all_found).scores
    each = [localization(found, clip.boxes_xyxy, clip.mask) for found, clip in zip(all_found, clips)]
    pairs = {"coverage": "objects", "miou": "objects_covered", "ap50": "boxes_found"}
    for name, count in (pairs | {"centroid_distance": "boxes_found"}).items():
        expected = np.average([one[name] for one in each], weights=[one[count] for one in each])
        assert row[name] == pytest.approx(expected) and row[count] == sum(one[count] for one in each)
