"""Control sensitivity: what changes in a video when only its boxes change.

Both videos have the same image, prompt and seed. This needs no detector: a model that ignores its boxes scores 0, one
that follows them changes where they are and nowhere else.

Source: hao-ai-lab/FastVideo, fastvideo/eval, control sensitivity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..colors import background
from ..errors import SMCDError
from .metrics import mean_of

CHANGED = 0.06  # of the range of colours, from which a pixel counts as changed


@dataclass(frozen=True)
class Counterfactual:
    """The same request with other boxes.

    video       uint8 [F, H, W, 3]
    boxes_xyxy  [F, N, 4] in units of the frame
    mask        bool [F, N], where objects are visible
    """

    video: np.ndarray
    boxes_xyxy: np.ndarray
    mask: np.ndarray


def still_boxes(boxes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Boxes [F, N, 4] that stay where mask [F, N] first shows them: other boxes that fit the same image."""
    return np.where(mask[..., None], boxes[mask.argmax(0), np.arange(mask.shape[1])], 0)


def sensitivity(video: np.ndarray, boxes: np.ndarray, mask: np.ndarray, other: Counterfactual) -> dict[str, float]:
    """Compare a video uint8 [F, H, W, 3] of boxes [F, N, 4] and mask [F, N] with the one of other boxes.

    A pixel should change where a box is in one of both videos that is elsewhere, or hidden, in the other one. Its
    change is the mean difference of its colours, 0..1.

    change_inside     mean change where pixels should change; higher is better
    leakage           mean change elsewhere; lower is better
    localization_iou  IoU of where pixels should change and where the change is above 0.06

    NaN where there are no such pixels. Raises SMCDError for videos or boxes of different shapes.
    """
    if video.shape != other.video.shape:
        sizes = " and ".join(f"{len(v)} frames of {v.shape[2]} x {v.shape[1]}" for v in (video, other.video))
        raise SMCDError(f"control sensitivity compares videos of one length and size, found {sizes}: make them alike")
    if mask.shape != other.mask.shape:
        found = f"{mask.shape[1]} and {other.mask.shape[1]} in {len(mask)} and {len(other.mask)} frames"
        raise SMCDError(f"control sensitivity moves the same objects, found {found}: keep all objects and the length")
    moved = (mask != other.mask) | (mask & (np.abs(boxes - other.boxes_xyxy) > 1e-6).any(-1))
    height, width = video.shape[1:3]
    expected = ~(
        background(boxes, mask & moved, height, width, margin=0)
        & background(other.boxes_xyxy, other.mask & moved, height, width, margin=0)
    )
    change = np.abs(video.astype(np.float32) - other.video).mean(-1) / 255  # [F, H, W]
    changed = change > CHANGED
    return {
        "change_inside": mean_of(change[expected]),
        "leakage": mean_of(change[~expected]),
        "localization_iou": float((expected & changed).sum() / (expected | changed).sum())
        if expected.any()
        else math.nan,
    }
