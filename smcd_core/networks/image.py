"""DIIM, the dual image integration module: the first frame as extra input channels and as gated tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .attention import Attention, FeedForward, gated
from .types import Device, Dtype, Operations


def widen_input_conv(weight: Tensor, in_channels: int) -> Tensor:
    """Add zero-initialised input channels (ZC), which have no effect at first.

    weight [C, c, 3, 3] -> [C, in_channels, 3, 3], old channels first. Source: SPEC, section 2.10.
    """
    extra = in_channels - weight.shape[1]
    return torch.cat([weight, weight.new_zeros(weight.shape[0], extra, *weight.shape[2:])], dim=1)


class ImageEncoder(nn.Module):
    """Turn the latent of the first frame into tokens.

    Shapes:
        latent   [B, 4, H, W]
        returns  [B, L, D]  L = H * W / stride^2, row by row; 16 for the released network at 32 x 32

    Plain convolutions without norms. Source: SPEC, section 5 (VisualEncoder).
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        blocks: int,
        *,
        dtype: Dtype,
        device: Device,
        operations: Operations,
    ):
        super().__init__()
        factory = dict(dtype=dtype, device=device)
        self.conv_in = operations.Conv2d(in_channels, channels[0], 3, padding=1, **factory)
        self.body = nn.ModuleList()
        previous = channels[0]
        for level, width in enumerate(channels):
            for block in range(blocks):
                downsample = level > 0 and block == 0
                self.body.append(_ImageBlock(previous, width, downsample, operations=operations, **factory))
                previous = width

    def forward(self, latent: Tensor) -> Tensor:
        x = self.conv_in(latent)
        for block in self.body:
            x = block(x)
        return x.flatten(2).mT  # [B, L, D]


class _ImageBlock(nn.Module):
    """Residual block. x [B, C, H, W] -> [B, C', H, W], or [B, C', H/2, W/2] with `downsample`."""

    def __init__(
        self, dim: int, out_dim: int, downsample: bool, *, dtype: Dtype, device: Device, operations: Operations
    ):
        super().__init__()
        factory = dict(dtype=dtype, device=device)
        if downsample:
            self.down_opt = nn.ModuleDict({"op": operations.Conv2d(dim, dim, 3, stride=2, padding=1, **factory)})
        else:
            self.down_opt = None
        self.in_conv = operations.Conv2d(dim, out_dim, 3, padding=1, **factory)
        self.block1 = operations.Conv2d(out_dim, out_dim, 3, padding=1, **factory)
        self.block2 = operations.Conv2d(out_dim, out_dim, 3, padding=1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        if self.down_opt is not None:
            x = self.down_opt["op"](x)
        x = self.in_conv(x)
        return x + self.block2(torch.relu(self.block1(x)))


class GatedCrossAttention(nn.Module):
    """Let every frame look at the tokens of the first frame, through a gate that starts closed.

    Shapes:
        x             [BF, S, C]
        image_tokens  [B, L, D]  from ImageEncoder
        returns       [BF, S, C]

    Gates: tanh(alpha), unitless, in (-1, 1). Zero means "base model unchanged".
    Source: Animate Your Motion (ECCV 2024), section 3.3; SPEC, section 3.2.
    """

    def __init__(
        self,
        dim: int,
        image_dim: int,
        heads: int,
        head_dim: int,
        *,
        dtype: Dtype,
        device: Device,
        operations: Operations,
    ):
        super().__init__()
        factory = dict(dtype=dtype, device=device)
        layers = dict(operations=operations, **factory)
        self.linear = operations.Linear(image_dim, dim, **factory)
        self.attn = Attention(dim, dim, heads, head_dim, **layers)
        self.ff = FeedForward(dim, **layers)
        self.norm1 = operations.LayerNorm(dim, **factory)
        self.norm2 = operations.LayerNorm(dim, **factory)
        self.alpha_attn = nn.Parameter(torch.zeros((), **factory))
        self.alpha_dense = nn.Parameter(torch.zeros((), **factory))

    def forward(self, x: Tensor, image_tokens: Tensor) -> Tensor:
        # As released: unlike the box tokens, the image tokens are not normalised.
        x = x + gated(self.alpha_attn, self.attn(self.norm1(x), self.linear(image_tokens)))
        return x + gated(self.alpha_dense, self.ff(self.norm2(x)))
