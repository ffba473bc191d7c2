"""Live previews for VAEs whose latents have no colours in the host."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import comfy.latent_formats
import torch
from torch import Tensor

IMAGES = 16  # more images hardly change the colours


class FittedLatents(comfy.latent_formats.LatentFormat):
    """Latent format whose preview colours are fitted to what the VAE makes of known images.

    encode  IMAGE [B, H, W, 3] -> latents [B, C, h, w], not scaled; called for the first preview
    """

    def __init__(self, encode: Callable[[Tensor], Tensor], scale_factor: float, latent_channels: int):
        self._encode, self.scale_factor, self.latent_channels = encode, scale_factor, latent_channels

    @property
    def latent_rgb_factors(self) -> list[list[float]]:
        return self._fit[:-1].tolist()

    @property
    def latent_rgb_factors_bias(self) -> list[float]:
        return self._fit[-1].tolist()

    @cached_property
    def _fit(self) -> Tensor:
        """[C + 1, 3]: contribution of each latent channel, and a constant, to RGB in -1..1, by least squares."""
        from ...smcd_core.data import render_clip

        frames = [torch.from_numpy(render_clip(index, num_frames=1).frames) for index in range(IMAGES)]
        images = torch.cat(frames).float() / 255  # [B, H, W, 3]
        latents = self.process_in(self._encode(images)).float().cpu()
        side = images.shape[1] // latents.shape[2]
        colors = torch.nn.functional.avg_pool2d(images.movedim(-1, 1), side) * 2 - 1
        latents, colors = (x.movedim(1, -1).flatten(0, -2) for x in (latents, colors))
        ones = torch.ones(len(latents), 1)
        return torch.linalg.lstsq(torch.cat([latents, ones], dim=1), colors).solution
