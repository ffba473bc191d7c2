"""The image with its boxes moved, which a video may start from instead of noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..guides.cut_and_drag import cut_and_drag
from ..guides.fit import fit
from ..trajectory.dense import DenseBoxes
from ..trajectory.document import Trajectory

FEATHER = 2  # pixels; videos of this model are small


def animatic(image: np.ndarray, boxes: Trajectory | DenseBoxes, num_frames: int) -> tuple[np.ndarray, Tensor]:
    """uint8 [H, W, 3] -> a video, uint8 [F, H, W, 3], and float32 [F, H, W], 1 on what moves.

    Raises SMCDError if no box is inside the image in the first frame in which it is visible.
    """
    height, width = image.shape[:2]
    fitted = fit(boxes, width, height, num_frames, crop=False)
    dragged = cut_and_drag(torch.from_numpy(image).float() / 255, fitted, feather=FEATHER)
    return (dragged.video * 255).round().to(torch.uint8).numpy(), dragged.mask
