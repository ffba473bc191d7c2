"""Attention, feed-forward and gate: the parts of every transformer block here."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .types import Device, Dtype, Operations


def scaled_dot_product(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(d) + mask) v for each head.

    q        [B, S, heads * d]
    k, v     [B, T, heads * d]
    mask     additive, broadcastable to [B, heads, S, T], or None
    returns  [B, S, heads * d]
    """
    q, k, v = (rearrange(x, "b s (h d) -> b h s d", h=heads) for x in (q, k, v))
    return rearrange(F.scaled_dot_product_attention(q, k, v, attn_mask=mask), "b h s d -> b s (h d)")


class Attention(nn.Module):
    """Multi-head attention; queries from x, keys and values from `context`.

    Shapes:
        x        [B*F, S, C]
        context  [B*F, T, D] or [B, T, D]: tokens that all frames of a video share are projected once
        mask     additive, broadcastable to [B*F, heads, S, T]
        returns  [B*F, S, C]

    Source: SPEC, section 2.6.
    """

    # A host may set its own attention on an instance; it has the signature of scaled_dot_product.
    attend = staticmethod(scaled_dot_product)

    def __init__(
        self,
        dim: int,
        context_dim: int,
        heads: int,
        head_dim: int,
        *,
        dtype: Dtype,
        device: Device,
        operations: Operations,
    ):
        super().__init__()
        factory = dict(dtype=dtype, device=device)
        inner = heads * head_dim
        self.heads = heads
        self.to_q = operations.Linear(dim, inner, bias=False, **factory)
        self.to_k = operations.Linear(context_dim, inner, bias=False, **factory)
        self.to_v = operations.Linear(context_dim, inner, bias=False, **factory)
        self.to_out = nn.Sequential(operations.Linear(inner, dim, **factory))

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        frames = q.shape[0] // k.shape[0]
        if frames > 1:
            k, v = (tokens.repeat_interleave(frames, dim=0) for tokens in (k, v))
        return self.to_out(self.attend(q, k, v, self.heads, mask))


class GEGLU(nn.Module):
    """value * gelu(gate), both from one projection. x [..., C] -> [..., inner]"""

    def __init__(self, dim: int, inner: int, *, dtype: Dtype, device: Device, operations: Operations):
        super().__init__()
        self.proj = operations.Linear(dim, 2 * inner, dtype=dtype, device=device)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    """Two linear layers, four times as wide inside. x [..., C] -> [..., C]. Source: SPEC, section 2.7."""

    def __init__(self, dim: int, *, dtype: Dtype, device: Device, operations: Operations):
        super().__init__()
        factory = dict(dtype=dtype, device=device)
        self.net = nn.Sequential(
            GEGLU(dim, 4 * dim, operations=operations, **factory),
            nn.Identity(),  # As released: the weights of the last layer are called net.2.
            operations.Linear(4 * dim, dim, **factory),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def gated(gate: Tensor, branch: Tensor) -> Tensor:
    """tanh(gate) * branch; the gate, a scalar parameter, is cast to the branch's device and dtype."""
    return torch.tanh(gate.to(device=branch.device, dtype=branch.dtype)) * branch
