"""Fill holes in a picture from what is around them, without any network."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

SMOOTHING = 8  # sweeps at each level: bilinear steps become a surface without edges


def filled(image: Tensor, hole: Tensor) -> Tensor:
    """The picture [C, H, W] with a smooth surface in place of the hole, bool [H, W]; known pixels stay as they are.

    Push and pull: means of known pixels at ever coarser levels, then back up, where each level smooths what it got from
    the coarser one. A picture that is all hole comes back as it is. Source: Gortler et al. (1996), "The Lumigraph".
    """
    known = (~hole).to(image.dtype)[None]
    if not known.any():
        return image
    return _pull(image[None] * known, known[None])[0]


def _pull(sums: Tensor, known: Tensor) -> Tensor:
    """Colours [1, C, H, W] times how much of each pixel is known [1, 1, H, W] -> colours everywhere."""
    height, width = known.shape[2:]
    colors = sums / known.clamp(min=1e-6)
    if known.min() >= 1:
        return colors
    odd = (0, width % 2, 0, height % 2)
    # Means, so that a pixel which is known in part counts in part; pixels beyond the border are not known.
    pooled, weight = (F.avg_pool2d(F.pad(part, odd), 2) for part in (sums, known))
    full = weight.clamp(max=0.25) * 4  # one known pixel of four is enough
    coarse = _pull(pooled * (full / weight.clamp(min=1e-6)), full) if max(height, width) > 1 else colors
    guess = F.interpolate(coarse, scale_factor=2.0, mode="bilinear")[:, :, :height, :width]
    surface = colors * known + guess * (1 - known)
    for _ in range(SMOOTHING):
        around = F.avg_pool2d(F.pad(surface, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        surface = colors * known + around * (1 - known)
    return surface
