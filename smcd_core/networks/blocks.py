"""The layers of the UNet. All take (x, conditions) and work on frames [B*F, C, H, W]."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .attention import Attention, FeedForward, gated
from .config import SMCDConfig
from .image import GatedCrossAttention
from .motion import GatedSelfAttention, box_coverage


@dataclass
class Conditions:
    """What the layers look at besides x, for B videos of F frames.

    time          [B, E]     embedding of the timestep
    text          [B, T, D]  text tokens
    num_frames    F; x holds B*F frames, all frames of video 0 first
    box_tokens    [BF, N, D] or None: without them all gates are skipped, that of the image too
    image_tokens  [B, L, D] or None: without them the image gate is skipped
    boxes_xyxy    [BF, N, 4] with box_mask [BF, N]; only networks with the coverage bias look at them
    images        True for stills: temporal layers pass x through
    """

    time: Tensor
    text: Tensor
    num_frames: int
    box_tokens: Tensor | None = None
    image_tokens: Tensor | None = None
    boxes_xyxy: Tensor | None = None
    box_mask: Tensor | None = None
    images: bool = False
    _coverage: dict[tuple[int, int], Tensor] = field(default_factory=dict, init=False, repr=False)
    _part_of: tuple[Conditions, slice] | None = field(default=None, repr=False)

    def coverage(self, height: int, width: int) -> Tensor:
        """[BF, height * width, N], computed once for each size of the feature map."""
        if self._part_of is not None:
            whole, frames = self._part_of
            return whole.coverage(height, width)[frames]
        size = (height, width)
        if size not in self._coverage:
            self._coverage[size] = box_coverage(self.boxes_xyxy, self.box_mask, height, width)
        return self._coverage[size]

    def part(self, x: Tensor, frames: slice) -> Conditions:
        """For x[frames]: whole videos, or some frames of one. If x holds fewer videos than there are texts, then the
        part has all texts of its videos. The coverage is a piece of the whole one, so that it is computed once for all
        parts and blocks."""
        videos = slice(frames.start // self.num_frames, math.ceil(frames.stop / self.num_frames))
        places = {"time": videos, "image_tokens": videos, "box_tokens": frames}
        values = {name: getattr(self, name) for name in places}
        values = {name: None if value is None else value[places[name]] for name, value in values.items()}
        text = self.text.unflatten(0, (-1, len(x) // self.num_frames))[:, videos].flatten(0, 1)
        num_frames = min(self.num_frames, frames.stop - frames.start)
        return replace(self, text=text, num_frames=num_frames, _part_of=(self, frames), **values)


AT_ONCE = {"cpu": 2048}  # positions of a layer that are worked on together in inference, where none needs another one
AT_ONCE_ELSEWHERE = 2**16


def positions_at_once(x: Tensor) -> int:
    """How many. Smaller tensors stay in the caches of a CPU, and bound the memory everywhere."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return sys.maxsize
    return AT_ONCE.get(x.device.type, AT_ONCE_ELSEWHERE)


def by_frames(layer: Callable[[Tensor, Conditions], Tensor], x: Tensor, conditions: Conditions) -> Tensor:
    """layer(x, conditions) for a layer that looks at one frame at a time, in parts. If there are several texts for each
    video of x, the result is as many times longer, where the layer looks at them."""
    at_once, positions, num_frames = positions_at_once(x), x.shape[2:].numel(), conditions.num_frames
    if len(x) * positions <= at_once:
        return layer(x, conditions.part(x, slice(0, len(x))))
    size = math.ceil(num_frames / math.ceil(num_frames * positions / at_once))
    out = None
    for video in range(0, len(x), num_frames):
        for start in range(video, video + num_frames, size):
            rows = slice(start, min(start + size, video + num_frames))
            result = layer(x[rows], conditions.part(x, rows)).unflatten(0, (-1, rows.stop - rows.start))
            out = result.new_empty(len(result), len(x), *result.shape[2:]) if out is None else out
            out[:, rows] = result
    return out.flatten(0, 1)


def by_videos(layer: Callable[[Tensor, int], Tensor], x: Tensor, num_frames: int) -> Tensor:
    """layer(x, num_frames) for a layer that looks at one video at a time, in parts."""
    if x[:, 0].numel() <= positions_at_once(x):
        return layer(x, num_frames)
    out = torch.empty_like(x)
    for part, result in zip(x.split(num_frames), out.split(num_frames), strict=True):
        result.copy_(layer(part, num_frames))
    return out


@cache
def temporal_conv_class(operations) -> type[nn.Module]:
    """Conv3d with a kernel of (3, 1, 1) for one of `operations`, computed as the 2-D convolution over (F, H * W) that
    it is: up to 1.8x faster on a CPU."""

    class TemporalConv3d(operations.Conv3d):
        def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor, *_args, **_kwargs) -> Tensor:
            out = F.conv2d(x.flatten(3), weight.flatten(3), bias, padding=(1, 0))
            return out.unflatten(3, x.shape[3:])

    return TemporalConv3d


class ResBlock(nn.Module):
    """Two convolutions per frame with the timestep between them, then convolutions over time.

    x [BF, C, H, W] -> [BF, C', H, W]. Source: SPEC, section 2.4.
    """

    def __init__(self, dim: int, out_dim: int, config: SMCDConfig, *, dtype, device, operations):
        super().__init__()
        factory = dict(dtype=dtype, device=device)
        self.in_layers = nn.Sequential(
            operations.GroupNorm(config.norm_groups, dim, **factory),
            nn.SiLU(inplace=True),
            operations.Conv2d(dim, out_dim, 3, padding=1, **factory),
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), operations.Linear(4 * config.model_channels, out_dim, **factory))
        self.out_layers = nn.Sequential(
            operations.GroupNorm(config.norm_groups, out_dim, **factory),
            nn.SiLU(inplace=True),
            nn.Dropout(config.dropout),
            operations.Conv2d(out_dim, out_dim, 3, padding=1, **factory),
        )
        self.skip_connection = nn.Identity() if dim == out_dim else operations.Conv2d(dim, out_dim, 1, **factory)
        # As released: the name is misspelt in the weights.
        self.temopral_conv = TemporalConv(out_dim, config, operations=operations, **factory)

    def forward(self, x: Tensor, conditions: Conditions) -> Tensor:
        return self.temopral_conv(by_frames(self._each_frame, x, conditions), conditions)

    def _each_frame(self, x: Tensor, conditions: Conditions) -> Tensor:
        h = self.in_layers(x)
        time = self.emb_layers(conditions.time).repeat_interleave(conditions.num_frames, dim=0)  # [BF, C']
        h = self.out_layers(h + time[:, :, None, None])
        return self.skip_connection(x) + h


class TemporalConv(nn.Module):
    """x + four convolutions over time, norms over all frames. x [BF, C, H, W] -> [BF, C, H, W]"""

    def __init__(self, dim: int, config: SMCDConfig, *, dtype, device, operations):
        super().__init__()
        factory = dict(dtype=dtype, device=device)

        def stage(*drop: nn.Module) -> nn.Sequential:
            return nn.Sequential(
                operations.GroupNorm(config.norm_groups, dim, **factory),
                nn.SiLU(inplace=True),
                *drop,
                temporal_conv_class(operations)(dim, dim, (3, 1, 1), padding=(1, 0, 0), **factory),
            )

        self.conv1 = stage()
        self.conv2 = stage(nn.Dropout(config.dropout))
        self.conv3 = stage(nn.Dropout(config.dropout))
        self.conv4 = stage(nn.Dropout(config.dropout))

    def forward(self, x: Tensor, conditions: Conditions) -> Tensor:
        if conditions.images:
            return x
        return by_videos(self._each_video, x, conditions.num_frames)

    def _each_video(self, x: Tensor, num_frames: int) -> Tensor:
        h = rearrange(x, "(b f) c h w -> b c f h w", f=num_frames)
        h = self.conv4(self.conv3(self.conv2(self.conv1(h))))
        return x + rearrange(h, "b c f h w -> (b f) c h w")


class Downsample(nn.Module):
    """x [BF, C, H, W] -> [BF, C, H/2, W/2]"""

    def __init__(self, dim: int, *, dtype, device, operations):
        super().__init__()
        self.op = operations.Conv2d(dim, dim, 3, stride=2, padding=1, dtype=dtype, device=device)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Upsample(nn.Module):
    """x [BF, C, H, W] -> [BF, C, 2H, 2W]"""

    def __init__(self, dim: int, *, dtype, device, operations):
        super().__init__()
        self.conv = operations.Conv2d(dim, dim, 3, padding=1, dtype=dtype, device=device)

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(max(1, positions_at_once(x) // (4 * x.shape[2:].numel())))
        return torch.cat([self.conv(F.interpolate(part, scale_factor=2, mode="nearest")) for part in parts])


class SpatialTransformer(nn.Module):
    """Attention within each frame. x [BF, C, H, W] -> [BF, C, H, W]. Source: SPEC, section 2.8."""

    def __init__(self, dim: int, config: SMCDConfig, gates: bool, *, dtype, device, operations):
        super().__init__()
        factory = dict(dtype=dtype, device=device)
        self.norm = operations.GroupNorm(config.norm_groups, dim, eps=1e-6, **factory)
        self.proj_in = operations.Linear(dim, dim, **factory)
        self.transformer_blocks = nn.ModuleList([SpatialBlock(dim, config, gates, operations=operations, **factory)])
        self.proj_out = operations.Linear(dim, dim, **factory)

    def forward(self, x: Tensor, conditions: Conditions) -> Tensor:
        return by_frames(self._each_frame, x, conditions)

    def _each_frame(self, x: Tensor, conditions: Conditions) -> Tensor:
        height, width = x.shape[2:]
        h = self.proj_in(self.norm(x).flatten(2).mT)  # [BF, S, C]
        h = self.transformer_blocks[0](h, conditions, height, width)
        return repeated(x, len(h)) + rearrange(self.proj_out(h), "b (h w) c -> b c h w", h=height)


def repeated(x: Tensor, length: int) -> Tensor:
    """As many copies, one after the other, as make this length."""
    return x if len(x) == length else x.repeat(length // len(x), *[1] * (x.ndim - 1))


class SpatialBlock(nn.Module):
    """Self-attention, box gate (MIM), image gate (DIIM), text cross-attention, feed-forward. x [BF, S, C]"""

    def __init__(self, dim: int, config: SMCDConfig, gates: bool, *, dtype, device, operations):
        super().__init__()
        factory = dict(dtype=dtype, device=device)
        layers = dict(operations=operations, **factory)
        context_dim, head_dim = config.context_dim, config.head_dim
        heads = dim // head_dim
        self.attn1 = Attention(dim, dim, heads, head_dim, **layers)
        self.ff = FeedForward(dim, **layers)
        self.attn2 = Attention(dim, context_dim, heads, head_dim, **layers)
        self.norm1 = operations.LayerNorm(dim, **factory)
        self.norm2 = operations.LayerNorm(dim, **factory)
        self.norm3 = operations.LayerNorm(dim, **factory)
        self.parallel = config.image_tokens == "parallel"
        self.coverage_bias = config.box_coverage_bias
        if gates and config.boxes:
            self.box_gate = GatedSelfAttention(dim, context_dim, heads, head_dim, self.coverage_bias, **layers)
        if gates and config.image_tokens != "none":
            self.image_gate = GatedCrossAttention(dim, context_dim, heads, head_dim, **layers)
        if gates and self.parallel:
            self.box_beta = nn.Parameter(torch.zeros((), **factory))
            self.image_beta = nn.Parameter(torch.zeros((), **factory))

    def forward(self, x: Tensor, conditions: Conditions, height: int, width: int) -> Tensor:
        h = self.norm1(x)
        x = x + self.attn1(h, h)
        # As released: without boxes the image tokens are not looked at either.
        if conditions.box_tokens is not None and hasattr(self, "box_gate"):
            x = self._gates(x, conditions, height, width)
        x = repeated(x, len(conditions.text) * conditions.num_frames)  # if there are several texts for each video
        x = x + self.attn2(self.norm2(x), conditions.text)
        return x + self.ff(self.norm3(x))

    def _gates(self, x: Tensor, conditions: Conditions, height: int, width: int) -> Tensor:
        coverage = conditions.coverage(height, width) if self.coverage_bias else None
        boxed = self.box_gate(x, conditions.box_tokens, coverage)
        if conditions.image_tokens is None or not hasattr(self, "image_gate"):
            return boxed
        if not self.parallel:
            return self.image_gate(boxed, conditions.image_tokens)
        # As released: both branches contain x already, so it is counted up to three times.
        imaged = self.image_gate(x, conditions.image_tokens)
        return x + gated(self.box_beta, boxed) + gated(self.image_beta, imaged)


class TemporalTransformer(nn.Module):
    """Attention across the frames, for each position. x [BF, C, H, W] -> [BF, C, H, W]. Source: SPEC, section 2.9."""

    def __init__(self, dim: int, config: SMCDConfig, heads: int, *, dtype, device, operations):
        super().__init__()
        factory = dict(dtype=dtype, device=device)
        head_dim = config.head_dim
        inner = heads * head_dim
        self.norm = operations.GroupNorm(config.norm_groups, dim, eps=1e-6, **factory)
        self.proj_in = operations.Conv1d(dim, inner, 1, **factory)
        self.transformer_blocks = nn.ModuleList(
            [TemporalBlock(inner, heads, head_dim, operations=operations, **factory)]
        )
        self.proj_out = operations.Conv1d(inner, dim, 1, **factory)

    def forward(self, x: Tensor, conditions: Conditions) -> Tensor:
        if conditions.images:
            return x
        return by_videos(self._each_video, x, conditions.num_frames)

    def _each_video(self, x: Tensor, num_frames: int) -> Tensor:
        height, width = x.shape[2:]
        h = self.norm(rearrange(x, "(b f) c h w -> b c f h w", f=num_frames))  # statistics over all frames
        h = rearrange(h, "b c f h w -> (b h w) c f")
        h = torch.cat([self._each_position(part) for part in h.split(max(1, positions_at_once(x) // num_frames))])
        return x + rearrange(h, "(b h w) c f -> (b f) c h w", h=height, w=width)

    def _each_position(self, h: Tensor) -> Tensor:
        """[B*S, C, F] -> [B*S, C, F]"""
        h = self.transformer_blocks[0](self.proj_in(h).mT)  # [B*S, F, inner]
        return self.proj_out(h.mT)


class TemporalBlock(nn.Module):
    """Self-attention twice and feed-forward. x [B*S, F, C]"""

    def __init__(self, dim: int, heads: int, head_dim: int, *, dtype, device, operations):
        super().__init__()
        factory = dict(dtype=dtype, device=device)
        layers = dict(operations=operations, **factory)
        self.attn1 = Attention(dim, dim, heads, head_dim, **layers)
        self.ff = FeedForward(dim, **layers)
        self.attn2 = Attention(dim, dim, heads, head_dim, **layers)
        self.norm1 = operations.LayerNorm(dim, **factory)
        self.norm2 = operations.LayerNorm(dim, **factory)
        self.norm3 = operations.LayerNorm(dim, **factory)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm1(x)
        x = x + self.attn1(h, h)
        h = self.norm2(x)
        x = x + self.attn2(h, h)
        return x + self.ff(self.norm3(x))
