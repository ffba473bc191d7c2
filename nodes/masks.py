"""Masks as pictures for the page, which then moves only what they show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from comfy_api.latest import ui
from torch import Tensor

from ..smcd_core.errors import SMCDError
from ..smcd_core.guides.cut_and_drag import cut_shapes, mask_count, resized
from ..smcd_core.trajectory.dense import shape_change
from ..smcd_core.trajectory.masks import SAME_ASPECT

MAX_MASK_SIDE = 1024  # pixels of the image as the page gets it


def read_masks(masks: Tensor, width: int, height: int) -> Tensor:
    """MASK [N, h, w] at the size of the image that it is for: [N, height, width].

    Raises SMCDError for another shape, for no mask at all, and for numbers that are no shares.
    """
    if masks.ndim != 3 or not masks.numel():
        raise SMCDError(f"masks has the shape {list(masks.shape)}, expected [masks, height, width]")
    numbers = masks.cpu().float().nan_to_num()
    if (most := numbers.amax().item()) > 8:  # as for images, a little above 1 is no other unit
        raise SMCDError(f"masks holds numbers up to {most:g}, expected 0 to 1: divide them by 255")
    return resized(numbers.clamp(0, 1).movedim(0, -1), width, height, crop=False).movedim(-1, 0)


def stretched(masks: Tensor, image: Tensor) -> list[str]:
    """A remark on masks [N, h, w] whose aspect ratio is not that of the image [1, H, W, C] that they are laid over."""
    (height, width), (image_height, image_width) = masks.shape[1:], image.shape[1:3]
    if shape_change((image_width, image_height), (width, height)) <= SAME_ASPECT:
        return []
    return [
        f"the masks are stretched over the image: make the masks of this image. They are {width} x {height}, another "
        f"shape than its {image_width} x {image_height}"
    ]


def mask_pictures(masks: Tensor, image: Tensor, ids: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Temporary files for the page, and a remark on each mask that it does not get.

    masks  MASK: one for all objects, or one for each
    image  IMAGE [1, H, W, C], what is cut out of
    ids    of the enabled objects, in order

    Each entry has the `id` of its object, "" for all; the `box` [x1, y1, x2, y2] of the mask in units of the image; and
    the `file` of that part. Its upper half is the shape with a faded edge, its lower half the hole; both are its alpha.
    """
    height, width = image.shape[1:3]
    smaller = min(1, MAX_MASK_SIDE / max(width, height))
    shapes = read_masks(masks, max(1, round(width * smaller)), max(1, round(height * smaller)))
    if len(masks) not in (1, len(ids)):
        return [], [
            f"the editor moves whole boxes, as {mask_count(len(masks), len(ids))}: give one for all, or one for each "
            "in order"
        ]
    pictures, remarks = [], stretched(masks, image)
    for number, (name, shape) in enumerate(zip(ids if len(masks) > 1 else [""], shapes, strict=True), 1):
        if shape.max() <= 0.5:
            remarks.append(f"mask {number} is empty, so the editor moves whole boxes: mend the mask")
            continue
        alpha, box = cut_shapes(shape)
        white = torch.ones(*alpha.shape, 3)
        [file] = ui.PreviewImage(torch.cat([white, alpha[..., None]], -1)[None]).as_dict()["images"]
        pictures.append({"id": name, "box": box, "file": file})
    return pictures, remarks
