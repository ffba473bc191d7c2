"""Inference in parts: layers run on a few frames or positions at a time, to cap peak memory.

The layers know nothing about this: `work_in_parts` wraps their methods once a network is built. Values agree up to
rounding: sums may be taken in another order.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import GEGLU, FeedForward
from .blocks import ResBlock, SpatialTransformer, TemporalConv, TemporalTransformer, Upsample
from .conditions import Conditions

AT_ONCE = {"cpu": 2048}  # positions of all frames together that a layer works on at once; fit a CPU's caches
AT_ONCE_ELSEWHERE = 2**16
MOST_SEQUENCES = 2**15  # in one call of attention: CUDA's kernels count them in an axis of the grid, up to 65,535
INNER_AT_ONCE = 640  # of the 4 * C inner channels of a feed-forward on a CPU


def work_in_parts(network: nn.Module) -> None:
    """Wrap the layers of a network that was built for inference. Call it once; names of weights stay."""
    for layer in network.modules():
        if isinstance(layer, ResBlock):
            layer.each_frame = partial(_frames_of_res_block, layer.each_frame)
        elif isinstance(layer, SpatialTransformer):
            layer.forward = partial(_frames_of_transformer, layer.forward)
        elif isinstance(layer, TemporalConv | TemporalTransformer):
            layer.forward = partial(_videos, layer.forward)
            if isinstance(layer, TemporalTransformer):
                layer.each_position = partial(_positions, layer.each_position)
        elif isinstance(layer, Upsample):
            layer.forward = partial(_upsampled_frames, layer.forward)
        elif isinstance(layer, FeedForward):
            layer.forward = partial(_inner_channels, layer)
        elif isinstance(layer, GEGLU):
            layer.forward = partial(_geglu, layer)


def _at_once(x: Tensor) -> int:
    if torch.compiler.is_compiling():
        return sys.maxsize  # loops would be unrolled in the graph
    return rows_at_once(x.device.type)


def rows_at_once(device_type: str) -> int:
    """Positions of all frames together that a layer works on at once."""
    return AT_ONCE.get(device_type, AT_ONCE_ELSEWHERE)


# Within frames -------------------------------------------------------------------------------------------------------


def _frames_of_res_block(layer: Callable[..., Tensor], x: Tensor, time: Tensor, num_frames: int) -> Tensor:
    def run(frames: slice) -> Tensor:
        videos = slice(frames.start // num_frames, math.ceil(frames.stop / num_frames))
        return layer(x[frames], time[videos], min(num_frames, frames.stop - frames.start))

    return _by_frames(run, x, num_frames)


def _frames_of_transformer(layer: Callable[..., Tensor], x: Tensor, conditions: Conditions) -> Tensor:
    def run(frames: slice) -> Tensor:
        return layer(x[frames], conditions.part(frames, of=len(x)))

    return _by_frames(run, x, conditions.num_frames)


def _by_frames(run: Callable[[slice], Tensor], x: Tensor, num_frames: int) -> Tensor:
    """Join run(frames) for all frames of x. No chunk spans two videos.

    Where the copies of a video begin to differ (see Conditions), a layer gives K frames for each frame of x.
    """
    at_once, positions = _at_once(x), x.shape[2:].numel()
    if len(x) * positions <= at_once:
        return run(slice(0, len(x)))
    size = math.ceil(num_frames / math.ceil(num_frames * positions / at_once))
    out: Any = None  # as large as the first part tells
    for video in range(0, len(x), num_frames):
        for start in range(video, video + num_frames, size):
            frames = slice(start, min(start + size, video + num_frames))
            part = run(frames).unflatten(0, (-1, frames.stop - frames.start))  # [K, f, C, H, W]
            out = part.new_empty(len(part), len(x), *part.shape[2:]) if out is None else out
            out[:, frames] = part
    return out.flatten(0, 1)


def _upsampled_frames(layer: Callable[..., Tensor], x: Tensor) -> Tensor:
    frames = max(1, _at_once(x) // (4 * x.shape[2:].numel()))
    return torch.cat([layer(part) for part in x.split(frames)])


# Across frames -------------------------------------------------------------------------------------------------------


def _videos(layer: Callable[..., Tensor], x: Tensor, conditions: Conditions) -> Tensor:
    if conditions.images or x[:, 0].numel() <= _at_once(x):
        return layer(x, conditions)
    out = torch.empty_like(x)
    for part, result in zip(x.split(conditions.num_frames), out.split(conditions.num_frames), strict=True):
        result.copy_(layer(part, conditions))
    return out


def _positions(layer: Callable[..., Tensor], h: Tensor) -> Tensor:
    """h [S, C, F]"""
    at_once = min(MOST_SEQUENCES, max(1, _at_once(h) // h.shape[2]))
    return torch.cat([layer(part) for part in h.split(at_once)])


# Within a position ---------------------------------------------------------------------------------------------------


def _geglu(layer: GEGLU, x: Tensor) -> Tensor:
    return _gated_in_place(*layer.proj(x).chunk(2, dim=-1))


def _gated_in_place(value: Tensor, gate: Tensor) -> Tensor:
    """value * gelu(gate), with one fewer of the largest tensors of all."""
    return F.gelu(gate).mul_(value)


def _inner_channels(layer: FeedForward, x: Tensor) -> Tensor:
    widen, narrow = layer.net[0].proj, layer.net[2]
    # A host's layers fetch and cast their weights themselves. A GPU is fastest with one large product.
    if not type(widen) is type(narrow) is nn.Linear or x.device.type != "cpu" or torch.compiler.is_compiling():
        return layer.net(x)
    values, gates = (half.split(INNER_AT_ONCE) for half in widen.weight.chunk(2))
    value_biases, gate_biases = (half.split(INNER_AT_ONCE) for half in widen.bias.chunk(2))
    out = None
    for part, columns in enumerate(narrow.weight.split(INNER_AT_ONCE, dim=1)):
        inner = _gated_in_place(
            F.linear(x, values[part], value_biases[part]), F.linear(x, gates[part], gate_biases[part])
        )
        out = F.linear(inner, columns, narrow.bias) if out is None else out.add_(F.linear(inner, columns))
    return out
