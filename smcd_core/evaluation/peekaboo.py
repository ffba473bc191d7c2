"""Peekaboo's measures: whether objects appear at all, and how far they are from their boxes.

F frames, N objects. Boxes are xyxy in units of the frame, 0..1.

Source: Jain et al., Peekaboo (CVPR 2024), section 5. It defines them for one object that is visible in all frames;
here each object counts by itself, in its visible frames.
"""

from __future__ import annotations

import math

import numpy as np

from .metrics import check_boxes, iou, mean_of

HIT = 0.5  # IoU from which a found box counts for AP50


def localization(
    found: np.ndarray, boxes: np.ndarray, mask: np.ndarray, size: tuple[int, int] = (1, 1)
) -> dict[str, float]:
    """Score the boxes found in one clip, [F, N, 4] with zeros where nothing was found, against boxes and mask [F, N].

    size  width and height of the frame, in any unit: distances need its shape

    coverage           share of the objects found in more than half of the frames in which they should be visible
    miou               mean over covered objects of the IoU pooled over the clip, boxes stacked through time
    ap50               share of the found boxes with an IoU of at least 0.5
    centroid_distance  mean distance of the middles of found boxes from where they should be, in diagonals of the frame
    objects, objects_covered, boxes_found   what each is a mean over

    A score is NaN where there is nothing to take the mean of.
    """
    check_boxes(found, boxes, mask)
    found, boxes = (np.where(mask[..., None], part, 0).clip(0, 1).astype(np.float64) for part in (found, boxes))
    seen = mask & (_area(found) > 0)
    asked = mask.any(0)
    covered = asked & (2 * seen.sum(0) > mask.sum(0))
    inner = (np.minimum(found[..., 2:], boxes[..., 2:]) - np.maximum(found[..., :2], boxes[..., :2])).clip(0).prod(-1)
    pooled, union = inner.sum(0), (_area(found) + _area(boxes) - inner).sum(0)
    middles = (found[..., :2] + found[..., 2:] - boxes[..., :2] - boxes[..., 2:]) / 2
    distance = np.linalg.norm(middles * (np.array(size) / math.hypot(*size)), axis=-1)
    return {
        "coverage": mean_of(covered[asked]),
        "miou": mean_of(pooled[covered] / union[covered]),
        "ap50": mean_of(iou(found, boxes)[seen] >= HIT),
        "centroid_distance": mean_of(distance[seen]),
        "objects": int(asked.sum()),
        "objects_covered": int(covered.sum()),
        "boxes_found": int(seen.sum()),
    }


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(-1)
