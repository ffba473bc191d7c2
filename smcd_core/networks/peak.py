"""Estimate the peak memory of inference in parts: a walk over the blocks, with what is alive in each."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .config import SMCDConfig
from .in_parts import INNER_AT_ONCE, rows_at_once

# The walk leaves out small tensors (tokens, embeddings, means of norms); counted were 0.96 to 1.07 times the walk.
MARGIN = 1.07


def peak_activations(
    config: SMCDConfig,
    frames: int,
    positions: int,
    device_type: str,
    *,
    videos: int = 1,
    holds_scores: bool = False,
    host_layers: bool = False,
) -> float:
    """Estimate the peak memory of one evaluation, as a count of numbers in all tensors but the weights.

    frames        of all videos together
    positions     of the latent of one frame, H * W
    holds_scores  whether attention keeps its scores in memory, as ComfyUI's for CPUs does; fused attention does not
    host_layers   whether a host computes the layers, so that feed-forwards are not taken in parts
    """
    whole = host_layers or device_type != "cpu"
    walk = _Walk(
        config, frames, positions, rows_at_once(device_type), videos, holds_scores, whole, device_type == "cpu"
    )
    walk.network()
    return MARGIN * walk.peak


@dataclass
class _Walk:
    """Each method notes what its layer holds, in numbers; the factors count tensors of the layer's code.

    In comments: n rows (positions of all frames) of C channels, of which r at a time.
    """

    config: SMCDConfig
    frames: int
    positions: int
    at_once: int
    videos: int
    holds_scores: bool
    whole_feed_forward: bool
    copies_kernels: bool  # oneDNN orders the weights of a convolution anew in each call
    peak: float = 0
    skips: list[tuple[int, int]] = field(default_factory=list)  # channels, level

    def network(self) -> None:
        config = self.config
        levels, dim = len(config.channel_mult), config.model_channels
        self._temporal(0, dim, config.num_heads * config.head_dim, 0)
        self.skips.append((dim, 0))
        for level, mult in enumerate(config.channel_mult):
            for _ in range(config.num_res_blocks):
                out_dim = config.model_channels * mult
                self._stack(self._held(), dim, out_dim, level)
                dim = out_dim
                self.skips.append((dim, level))
            if level < levels - 1:
                self.skips.append((dim, level + 1))
        # ControlNet's features, one for each skip connection, live until the end.
        control = self._held() if config.control else 0
        self._stack(control + self._held(), dim, dim, levels - 1, has_transformers=True)
        for level in reversed(range(levels)):
            out_dim = config.model_channels * config.channel_mult[level]
            for block in range(config.num_res_blocks + 1):
                joined = dim + self.skips[-1][0] * (2 if config.control else 1)
                rows = self._rows(level)
                self._note(control + self._held() + (dim + joined) * rows)  # `cat` and its inputs
                self.skips.pop()
                held = control + self._held() + joined * rows
                self._stack(held, joined, out_dim, level)
                if level > 0 and block == config.num_res_blocks:
                    # All parts, and all of them joined; one part before its convolution.
                    part = min(4 * rows, max(self.at_once, 4 * self._positions(level)))
                    self._note(held + out_dim * (rows + 8 * rows + part))
                dim = out_dim

    def _note(self, numbers: float) -> None:
        self.peak = max(self.peak, numbers)

    def _positions(self, level: int) -> int:
        return self.positions // 4**level

    def _rows(self, level: int) -> int:
        return self.frames * self._positions(level)

    def _held(self) -> int:
        return sum(channels * self._rows(level) for channels, level in self.skips)

    def _stack(self, held: float, dim: int, out_dim: int, level: int, has_transformers: bool = False) -> None:
        """A residual block and the transformers behind it; `held` has its input."""
        self._residual(held, dim, out_dim, level)
        if has_transformers or 2.0**-level in self.config.attention_scales:
            self._spatial(held, out_dim, level)
            self._temporal(held, out_dim, out_dim, level)

    def _residual(self, held: float, dim: int, out_dim: int, level: int) -> None:
        rows, (part, is_split) = self._rows(level), self._frames_at_once(level)
        kernel = out_dim * 9 * self.copies_kernels
        numbers = held + is_split * out_dim * rows
        self._note(numbers + (dim + out_dim) * part + dim * kernel)  # norm, convolution
        self._note(numbers + 4 * out_dim * part + out_dim * kernel)  # h, with the timestep, norm, convolution
        video, is_split = self._videos_at_once(level)
        kernel = out_dim**2 * 3 * self.copies_kernels
        self._note(held + (1 + is_split) * out_dim * rows + 3 * out_dim * video + kernel)

    def _spatial(self, held: float, dim: int, level: int) -> None:
        config = self.config
        rows, (part, is_split) = self._rows(level), self._frames_at_once(level)
        held += (1 + is_split) * dim * rows
        heads, keys = dim // config.head_dim, self._positions(level) + config.box_slots
        # In the box gate: two of x, its norm, the joined sequence, q, k, v, what they give, and its projections.
        attention = 10 * dim * part + self._scores(heads, part, keys, dim)
        if config.box_coverage_bias:
            keys += -keys % 8  # its rows are this long
            attention += part * keys * (1 + heads * self.holds_scores)  # the bias, for each head if scores are held
        self._note(held + attention)
        self._note(held + (4 * dim + self._feed_forward(dim)) * part)

    def _temporal(self, held: float, dim: int, inner: int, level: int) -> None:
        rows, (video, is_split) = self._rows(level), self._videos_at_once(level)
        length = self.frames // self.videos
        part = min(video, max(1, self.at_once // length) * length)
        held += (1 + is_split) * dim * rows
        self._note(held + 3 * dim * video)  # the normed video, the results of its parts, these joined
        held += dim * (2 * video - part)
        heads = inner // self.config.head_dim
        self._note(held + 8 * inner * part + self._scores(heads, part, length, inner))
        self._note(held + (4 * inner + self._feed_forward(inner)) * part)

    def _scores(self, heads: int, queries: int, keys: int, dim: int) -> int:
        """Scores before and after softmax, and q, k and v in their order."""
        return self.holds_scores * queries * (2 * heads * keys + 3 * dim)

    def _feed_forward(self, dim: int) -> int:
        """Numbers of each row: values and gates, 4 * C each, and the GELU of the gates."""
        return 12 * dim if self.whole_feed_forward else 3 * min(INNER_AT_ONCE, 4 * dim) + 2 * dim

    def _frames_at_once(self, level: int) -> tuple[int, bool]:
        """Rows that a layer within frames takes at once, and whether these are fewer than all."""
        rows, positions, length = self._rows(level), self._positions(level), self.frames // self.videos
        if rows <= self.at_once:
            return rows, False
        return math.ceil(length / math.ceil(length * positions / self.at_once)) * positions, True

    def _videos_at_once(self, level: int) -> tuple[int, bool]:
        rows = self._rows(level)
        return (rows, False) if rows <= self.at_once else (rows // self.videos, True)
