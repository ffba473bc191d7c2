"""The network's mathematics as it is usually written first: what `step.py` measures the real one against.

Attention scores as one tensor, soft-maxed in float32; contexts repeated for every frame before their projection; the
rows of the box tokens computed and thrown away; a test for NaN and infinity after every attention; convolutions over
time as 3-D ones; activations in new memory; every layer on all frames at once; and one call for each branch of
guidance.
"""

from __future__ import annotations

from types import MethodType

import torch
from torch import Tensor, nn

from smcd_core.networks.attention import Attention, gated
from smcd_core.networks.conditions import Conditions
from smcd_core.networks.motion import GatedSelfAttention
from smcd_core.networks.smcd import SMCD


def write_plainly(network: nn.Module) -> None:
    """Exchange the forward of the layers in question; the weights stay."""
    plain = {Attention: _attention, GatedSelfAttention: _box_gate}
    for module in network.modules():
        if type(module) in plain:
            module.forward = MethodType(plain[type(module)], module)
        elif isinstance(module, nn.Conv3d):
            module._conv_forward = MethodType(nn.Conv3d._conv_forward, module)
        elif isinstance(module, nn.SiLU):
            module.inplace = False


def call_by_branch(network: SMCD, x: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
    """x [B*F, 4, H, W], t [B]: one forward for each of the B videos."""
    size = conditions.num_frames
    videos = [slice(start, start + size) for start in range(0, len(x), size)]
    return torch.cat(
        [network(x[frames], t[n : n + 1], conditions.part(frames, of=len(x))) for n, frames in enumerate(videos)]
    )


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


def _box_gate(layer: GatedSelfAttention, x: Tensor, box_tokens: Tensor, coverage: None) -> Tensor:
    positions = x.shape[1]
    joined = layer.norm1(torch.cat([x, layer.linear(box_tokens)], dim=1))
    x = x + gated(layer.alpha_attn, layer.attn(joined, joined)[:, :positions])
    return x + gated(layer.alpha_dense, layer.ff(layer.norm2(x)))
