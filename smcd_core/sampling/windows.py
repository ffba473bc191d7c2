"""Long videos in the memory of a short one: windows of frames that overlap, denoised together step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..networks.conditions import Conditions


class Windows:
    """Windows over `num_frames` frames, each `length` long; their weights fall towards both ends of each window.

    The same as the host's static context windows with the pyramid. Source: Qiu et al. (2024), "FreeNoise"
    """

    def __init__(self, num_frames: int, length: int, overlap: int, device: torch.device):
        self.spans = spans(num_frames, length, overlap)
        length = min(length, num_frames)
        ramp = torch.arange(1, length + 1, dtype=torch.float32, device=device)
        self.weights = torch.minimum(ramp, ramp.flip(0)).reshape(-1, 1, 1, 1)  # [L, 1, 1, 1]
        self.total = torch.zeros(num_frames, 1, 1, 1, device=device)
        for span in self.spans:
            self.total[span] += self.weights

    def fused(self, x: Tensor, tokens: Conditions, evaluate: Callable[[Tensor, Conditions, int], Tensor]) -> Tensor:
        """The weighted mean of what `evaluate` gives for each window: x [BF, C, h, w], the same shape comes back.

        tokens    of K * B videos
        evaluate  called with frames [BL, C, h, w], their tokens and the number of the window
        """
        videos = x.unflatten(0, (-1, len(self.total)))  # [B, F, C, h, w]
        result = torch.zeros_like(videos)
        for number, span in enumerate(self.spans):
            part = evaluate(videos[:, span].flatten(0, 1), in_window(tokens, span), number)
            result[:, span] += part.unflatten(0, (len(videos), -1)) * self.weights
        return (result / self.total).flatten(0, 1)


def spans(num_frames: int, length: int, overlap: int) -> list[slice]:
    """The frames of each window; the last window moves back to be as long as the others."""
    if num_frames <= length:
        return [slice(0, num_frames)]
    last = num_frames - length
    starts = [*range(0, last, length - overlap), last]
    return [slice(start, start + length) for start in starts]


def in_window(tokens: Conditions, span: slice) -> Conditions:
    """The tokens of all videos for some of their frames; every window sees the first frame and the text."""
    frames = tokens.num_frames
    parts: dict[str, Any] = {}
    for name in ("box_tokens", "boxes_xyxy", "box_mask"):
        value = getattr(tokens, name)
        if value is not None:
            parts[name] = value.unflatten(0, (-1, frames))[:, span].flatten(0, 1)
    return replace(tokens, num_frames=span.stop - span.start, **parts)
