"""The network's mathematics as it is usually written first: what `step.py` measures the real one against.

Attention scores as one tensor, soft-maxed in float32; contexts repeated for every frame before their projection; the
rows of the box tokens computed and thrown away; a test for NaN and infinity after every attention; convolutions over
time as 3-D ones; every layer on all frames at once, feed-forwards over their whole width; and one call for each branch
of guidance.
"""

from __future__ import annotations

import sys
from types import MethodType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smcd_core.networks import blocks
from smcd_core.networks.attention import GEGLU, Attention, FeedForward, gated
from smcd_core.networks.motion import GatedSelfAttention
from smcd_core.networks.smcd import SMCD, Tokens


def write_plainly(network: nn.Module) -> None:
    """Exchange the forward of the layers in question; the weights stay."""
    plain = {Attention: _attention, GatedSelfAttention: _box_gate, FeedForward: _feed_forward, GEGLU: _geglu}
    for module in network.modules():
        if type(module) in plain:
            module.forward = MethodType(plain[type(module)], module)
        elif isinstance(module, nn.Conv3d):
            module._conv_forward = MethodType(nn.Conv3d._conv_forward, module)
        elif isinstance(module, nn.SiLU):
            module.inplace = False
    blocks.positions_at_once = lambda x: sys.maxsize


def call_by_branch(network: SMCD, x: Tensor, t: Tensor, tokens: Tokens) -> Tensor:
    """x [B*F, 4, H, W], t [B]: one forward for each of the B videos."""
    parts = x.split(tokens.num_frames)
    return torch.cat([network(part, t[n : n + 1], _video(tokens, n)) for n, part in enumerate(parts)])


def _video(tokens: Tokens, n: int) -> Tokens:
    """The n-th video of a batch."""
    frames = slice(n * tokens.num_frames, (n + 1) * tokens.num_frames)
    chosen = {"box_tokens": frames, "boxes_xyxy": frames, "box_mask": frames}
    one = slice(n, n + 1)
    taken = {k: v[chosen.get(k, one)] if isinstance(v, Tensor) else v for k, v in vars(tokens).items()}
    return Tokens(**taken)


def _attention(layer: Attention, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
    context = context.repeat_interleave(x.shape[0] // context.shape[0], dim=0)
    q, k, v = (
        project(tokens).unflatten(-1, (layer.heads, -1)).transpose(1, 2)  # [BF, heads, S, d]
        for project, tokens in ((layer.to_q, x), (layer.to_k, context), (layer.to_v, context))
    )
    scores = q @ k.mT * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores + mask
    out = (scores.float().softmax(-1).to(v) @ v).transpose(1, 2).flatten(2)
    if out.isnan().any() or out.isinf().any():
        raise FloatingPointError("NaN or infinity after an attention")
    return layer.to_out(out)


def _feed_forward(layer: FeedForward, x: Tensor) -> Tensor:
    return layer.net(x)


def _geglu(layer: GEGLU, x: Tensor) -> Tensor:
    value, gate = layer.proj(x).chunk(2, dim=-1)
    return value * F.gelu(gate)


def _box_gate(layer: GatedSelfAttention, x: Tensor, box_tokens: Tensor, coverage: None) -> Tensor:
    positions = x.shape[1]
    joined = layer.norm1(torch.cat([x, layer.linear(box_tokens)], dim=1))
    x = x + gated(layer.alpha_attn, layer.attn(joined, joined)[:, :positions])
    return x + gated(layer.alpha_dense, layer.ff(layer.norm2(x)))
