"""MIM, the motion integration module: boxes and phrases become tokens that the image attends to through a gate."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .attention import Attention, FeedForward, gated
from .types import Device, Dtype, Operations

FREQUENCIES = 8  # of a box's Fourier features
MIN_COVERAGE = 2e-3  # lower bound of coverage: log(0.002) = -6.2 all but hides a box from a cell that it does not cover


class BoxEncoder(nn.Module):
    """Turn each box with its phrase into one token.

    Shapes:
        boxes_xyxy  [B, N, 4]       units of the frame, 0..1; any leading batch
        mask        [B, N]          1 object, 0 padding, between for a weaker object
        phrases     [B, N, P]       embedding of each phrase
        returns     [B, N, D]

    Where the mask is 0, the token is the learned null token, whatever box and phrase are.
    Source: SPEC, section 4 (PositionNet).
    """

    def __init__(self, phrase_dim: int, out_dim: int, *, dtype: Dtype, device: Device, operations: Operations):
        super().__init__()
        factory = dict(dtype=dtype, device=device)
        position_dim = 2 * 4 * FREQUENCIES
        self.null_positive_feature = nn.Parameter(torch.zeros(phrase_dim, **factory))
        self.null_position_feature = nn.Parameter(torch.zeros(position_dim, **factory))
        self.linears = nn.Sequential(
            operations.Linear(phrase_dim + position_dim, 512, **factory),
            nn.SiLU(),
            operations.Linear(512, 512, **factory),
            nn.SiLU(),
            operations.Linear(512, out_dim, **factory),
        )

    def forward(self, boxes_xyxy: Tensor, mask: Tensor, phrases: Tensor) -> Tensor:
        # Coordinates stay in float32: half precision would move sin(52 x) by a visible amount.
        positions = fourier_features(boxes_xyxy.float()).to(phrases)  # [B, N, 64]
        mask = mask.to(phrases)[..., None]
        null_phrase, null_position = (p.to(phrases) for p in (self.null_positive_feature, self.null_position_feature))
        phrases = mask * phrases + (1 - mask) * null_phrase
        positions = mask * positions + (1 - mask) * null_position
        return self.linears(torch.cat([phrases, positions], dim=-1))


def fourier_features(boxes_xyxy: Tensor) -> Tensor:
    """[..., 4] -> [..., 64]: sin of all four coordinates, then cos, for each frequency 100^(k/8), k = 0..7."""
    features = []
    for k in range(FREQUENCIES):
        angle = 100 ** (k / FREQUENCIES) * boxes_xyxy
        features += [angle.sin(), angle.cos()]
    return torch.cat(features, dim=-1)


def box_coverage(boxes_xyxy: Tensor, mask: Tensor, height: int, width: int) -> Tensor:
    """Share of each cell of an image grid that each box covers.

    boxes_xyxy [BF, N, 4] in 0..1, mask [BF, N]; returns [BF, height * width, N] in 0..1, 0 where the mask is 0.
    """

    def along(low: Tensor, high: Tensor, cells: int) -> Tensor:
        edge = torch.arange(cells, device=low.device, dtype=low.dtype)
        low, high = low[..., None] * cells, high[..., None] * cells
        return (torch.minimum(high, edge + 1) - torch.maximum(low, edge)).clamp(0, 1)  # [BF, N, cells]

    x1, y1, x2, y2 = boxes_xyxy.unbind(-1)
    coverage = along(y1, y2, height)[..., :, None] * along(x1, x2, width)[..., None, :]  # [BF, N, H, W]
    return (coverage * mask[..., None, None]).flatten(2).mT  # [BF, S, N]


class GatedSelfAttention(nn.Module):
    """Let the image look at the boxes, through a gate that starts closed.

    Self-attention over the joined sequence [image; boxes], of which the image part is kept and added to the input.

    Shapes:
        x           [BF, S, C]  image tokens of each frame, S = H * W
        box_tokens  [BF, N, D]  from BoxEncoder
        coverage    [BF, S, N]  from box_coverage, only for networks with the coverage bias, else None
        returns     [BF, S, C]

    Gates: tanh(alpha), unitless, in (-1, 1). Zero means "base model unchanged".
    Source: GLIGEN (CVPR 2023), eq. 6; Animate Your Motion (ECCV 2024), section 3.2; SPEC, section 3.1.
    """

    def __init__(
        self,
        dim: int,
        box_dim: int,
        heads: int,
        head_dim: int,
        coverage_bias: bool,
        *,
        dtype: Dtype,
        device: Device,
        operations: Operations,
    ):
        super().__init__()
        factory = dict(dtype=dtype, device=device)
        layers = dict(operations=operations, **factory)
        self.linear = operations.Linear(box_dim, dim, **factory)
        self.attn = Attention(dim, dim, heads, head_dim, **layers)
        self.ff = FeedForward(dim, **layers)
        self.norm1 = operations.LayerNorm(dim, **factory)
        self.norm2 = operations.LayerNorm(dim, **factory)
        self.alpha_attn = nn.Parameter(torch.zeros((), **factory))
        self.alpha_dense = nn.Parameter(torch.zeros((), **factory))
        if coverage_bias:
            self.coverage_bias = nn.Parameter(torch.zeros((), **factory))

    def forward(self, x: Tensor, box_tokens: Tensor, coverage: Tensor | None) -> Tensor:
        # As released: padding boxes are not masked; they attend as the learned null token.
        boxes = self.norm1(self.linear(box_tokens))  # [BF, N, C]
        image = self.norm1(x)
        # Only the image's queries are computed: the rows of the boxes would be thrown away.
        mask = None if coverage is None else self._score_bias(coverage, x)
        x = x + gated(self.alpha_attn, self.attn(image, torch.cat([image, boxes], dim=1), mask))
        return x + gated(self.alpha_dense, self.ff(self.norm2(x)))

    def _score_bias(self, coverage: Tensor, x: Tensor) -> Tensor:
        """Additive mask [BF, 1, S, S + N]: 0 for image keys, log coverage for box keys.

        An offset of log(S / N) gives the few boxes together as much attention to start with as the S image tokens.
        """
        positions, boxes = coverage.shape[1:]
        bias = torch.log(coverage + MIN_COVERAGE) + math.log(positions / boxes) + self.coverage_bias.to(coverage)
        keys = positions + boxes
        # Rows lie a multiple of 8 numbers apart, for fused attention on GPUs, which else copies them to be so.
        rows = nn.functional.pad(bias.to(x), (positions, -keys % 8))
        return rows[:, None, :, :keys]  # [BF, 1, S, S + N]
