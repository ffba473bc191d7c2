"""The conditions of a prediction: all that a network is given besides noisy latents and timestep."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Conditions:
    """Encoded conditions of B videos of F frames, the same in all steps of a run.

    text          [B, T, D]     text tokens
    num_frames    F
    first_frame   [B, 4, H, W]  latent for the input convolution (ZC)
    box_tokens    [BF, N, D]    None: all gates are skipped, the image gate too
    image_tokens  [B, L, D]     None: the image gate is skipped
    boxes_xyxy    [BF, N, 4]    units of the frame, 0..1; only networks with the coverage bias read boxes and mask
    box_mask      [BF, N]       1 object, 0 nothing, between for a weaker object
    copies        K > 1: the batch is K copies of B/K videos that differ only in their text, as with text guidance;
                  layers before the first text attention then run for one copy
    images        True for stills: no layer looks across frames
    hint          [B, 4, H, W]  latent for the ControlNet
    """

    text: Tensor
    num_frames: int
    first_frame: Tensor | None = None
    box_tokens: Tensor | None = None
    image_tokens: Tensor | None = None
    boxes_xyxy: Tensor | None = None
    box_mask: Tensor | None = None
    copies: int = 1
    images: bool = False
    hint: Tensor | None = None

    def to(self, *args: Any, **kwargs: Any) -> Conditions:
        """Move to another device or dtype; boxes keep float32."""
        exact = ("boxes_xyxy", "box_mask")
        moved = {}
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                moved[name] = value.to(*args, **kwargs)
                if name in exact:
                    moved[name] = value.to(device=moved[name].device)
        return replace(self, **moved)

    @staticmethod
    def cat(branches: list[Conditions]) -> Conditions:
        """Join several branches of guidance to one batch."""
        joined = {}
        for name, value in vars(branches[0]).items():
            joined[name] = torch.cat([vars(b)[name] for b in branches]) if isinstance(value, Tensor) else value
        return Conditions(**joined)

    def part(self, frames: slice, of: int) -> Conditions:
        """Select frames of x, which has `of` frames: those of whole videos, or some of one video.

        With `of` less than BF, x is the first copy, and the part has the texts of all copies.
        """
        videos = slice(frames.start // self.num_frames, math.ceil(frames.stop / self.num_frames))
        rows = dict.fromkeys(["first_frame", "hint", "image_tokens"], videos)
        rows |= dict.fromkeys(["box_tokens", "boxes_xyxy", "box_mask"], frames)
        values: dict[str, Any] = {name: getattr(self, name) for name in rows}
        parts: dict[str, Any] = {name: None if x is None else x[rows[name]] for name, x in values.items()}
        return replace(
            self,
            text=self.text.unflatten(0, (-1, of // self.num_frames))[:, videos].flatten(0, 1),
            num_frames=min(self.num_frames, frames.stop - frames.start),
            **parts,
        )
