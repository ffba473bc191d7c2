"""Where each phrase applies in the latent of a video model."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import SMCDError
from ..trajectory.dense import DenseBoxes
from .fit import covered, nearest_length, pixels

CELL = 8  # pixels of a cell; a model with larger ones takes means of these


def region_masks(boxes: DenseBoxes, frames_per_latent: int) -> Tensor:
    """How much of each cell of a latent frame the box of each object covers.

    boxes              from `fit`
    frames_per_latent  frames that a latent frame stands for, all but the first, which stands for frame 0 alone

    returns  float32 [N, T, H / 8, W / 8] in 0..1, the mean over the frames of each latent frame; hidden counts as 0

    Raises SMCDError for a length that no number of latent frames stands for.
    """
    if (boxes.frames - 1) % frames_per_latent:
        nearest = nearest_length(boxes.frames, frames_per_latent)
        raise SMCDError(
            f"length is {boxes.frames}: with {frames_per_latent} frames to a latent frame it must be "
            f"{frames_per_latent}n + 1, the nearest is {nearest}"
        )
    width, height = boxes.size or (0, 0)
    corners = torch.from_numpy(pixels(boxes)) / CELL  # [F, N, 4]
    x1, y1, x2, y2 = corners.unbind(-1)
    across = covered(x1, x2, width // CELL)  # [F, N, w]
    down = covered(y1, y2, height // CELL) * torch.from_numpy(boxes.mask)[..., None]  # [F, N, h]
    first = torch.einsum("fny,fnx->nfyx", down[:1], across[:1])
    groups = (part[1:].unflatten(0, (-1, frames_per_latent)) for part in (down, across))
    rest = torch.einsum("tkny,tknx->ntyx", *groups) / frames_per_latent
    return torch.cat((first, rest), 1).float()
