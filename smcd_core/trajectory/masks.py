"""Masks: the box around what is set in each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .dense import DenseBoxes, shape_change
from .document import TrajectoryError
from .rows import check_counts

SMALLEST_PART = 0.02  # of the area of a mask's largest part
SAME_ASPECT = 0.02  # aspect ratios of sizes that programs round differ by so much
OVERSHOOT = 0.5  # of numbers beyond 0 and 1, which sharp resampling leaves
NARROW = 4  # pixels: what is so narrow and holds fractions are the numbers of points or boxes


def masks_as_boxes(masks: Sequence[Tensor], size: tuple[int, int]) -> tuple[str, DenseBoxes]:
    """Each [F, H, W] is one object; one image may come without F, and masks with a channel.

    Masks of another aspect ratio than the frame of `size` are stretched over it.
    """
    masks = [mask[:, 0] if mask.ndim == 4 and mask.shape[1] == 1 else mask for mask in masks]
    masks = [mask[None] if mask.ndim == 2 else mask for mask in masks]
    for n, mask in enumerate(masks):
        if mask.ndim != 3 or mask.shape[0] != masks[0].shape[0] or 0 in mask.shape[1:]:
            expected = f"[{masks[0].shape[0]}, height, width] as the first one" if n else "[frames, height, width]"
            raise TrajectoryError(f"mask {n} is {list(mask.shape)}: expected {expected}")
        _check_numbers(mask, n)
    check_counts(len(masks[0]), len(masks))
    boxes, visible = zip(*map(_mask_boxes, masks))
    height, width = masks[0].shape[1:]
    is_stretched = shape_change(size, (width, height)) > SAME_ASPECT
    what = f"masks ({width} x {height} pixels, stretched)" if is_stretched else "masks"
    return what, DenseBoxes(np.stack(boxes, 1), np.stack(visible, 1), ("",) * len(masks))


def _check_numbers(mask: Tensor, n: int) -> None:
    """Refuse what is no mask: boxes and points as tensors have the same shapes."""
    if not mask.numel():
        return
    low, high = (number.item() for number in mask.aminmax())
    if math.isnan(low) or math.isnan(high):
        raise TrajectoryError(f"mask {n} holds NaN: repair what made it")
    is_narrow = mask.shape[2] <= NARROW and mask.is_floating_point() and bool((mask != mask.round()).any())
    is_outside = low < -OVERSHOOT or high > 1 + OVERSHOOT
    if is_narrow or (is_outside and not _is_of_bytes(mask)):
        raise TrajectoryError(
            f"found a tensor {list(mask.shape)} of numbers from {low:g} to {high:g}, which is no mask: expected "
            "[frames, height, width] of 0 to 1. Give boxes as [[{x, y, width, height}, ...], ...], a list for each "
            "frame, and points as {track_path: [frames, points, 2]}"
        )


def _is_of_bytes(mask: Tensor) -> bool:
    """Whether a mask has 255 where it is set. Others of large numbers are no masks, or count several objects."""
    if mask.dtype == torch.uint8:
        return bool(mask.max() == 255)
    return bool((mask == 255).any() and ((mask == 0) | (mask == 255)).all())


def _mask_boxes(mask: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """mask [F, H, W], set where above one half: boxes [F, 4] in units of the frame, visibility [F]"""
    half = 127.5 if _is_of_bytes(mask) else 0.5
    inside = _without_specks((mask > half).cpu().numpy())
    columns, rows = inside.any(1), inside.any(2)  # [F, W], [F, H]
    low_x, low_y = columns.argmax(1), rows.argmax(1)
    high_x, high_y = columns.shape[1] - columns[:, ::-1].argmax(1), rows.shape[1] - rows[:, ::-1].argmax(1)
    scale = np.array([columns.shape[1], rows.shape[1]] * 2)
    return np.stack([low_x, low_y, high_x, high_y], 1) / scale, inside.any((1, 2))


def _without_specks(inside: np.ndarray) -> np.ndarray:
    """The masks [F, H, W] without parts that are tiny beside the largest: segmentation leaves stray pixels."""
    from scipy import ndimage  # ComfyUI brings it; files of boxes need no masks

    inside = inside.copy()
    for mask in inside:
        parts, count = ndimage.label(mask, np.ones((3, 3)))
        if count > 1:
            areas = np.bincount(parts.ravel(), minlength=count + 1)
            areas[0] = 0
            mask &= areas[parts] >= SMALLEST_PART * areas.max()
    return inside
