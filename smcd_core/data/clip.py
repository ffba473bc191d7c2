"""The one form in which every dataset hands over a video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Clip:
    """A video with its objects.

    frames      uint8 [F, H, W, 3], RGB
    boxes_xyxy  float32 [F, N, 4], units of the frame, clipped to 0..1
    mask        bool [F, N], False where the object is not visible (its box is then 0)
    phrases     N phrases, one for each object
    caption     a sentence on the whole clip
    colors      N colours as RGB 0..255, the ones a colour detector looks for; None where a dataset has none
    """

    frames: np.ndarray
    boxes_xyxy: np.ndarray
    mask: np.ndarray
    phrases: tuple[str, ...]
    caption: str
    colors: tuple[tuple[int, int, int], ...] | None = None
