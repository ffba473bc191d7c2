"""The denoiser: ModelScope's text-to-video UNet with the layers of MIM and DIIM inside."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import SMCDError
from .blocks import Downsample, ResBlock, SpatialTransformer, TemporalTransformer, Upsample, repeated
from .conditions import Conditions
from .config import SMCDConfig
from .types import Device, Dtype, Operations


class UNet3D(nn.Module):
    """Predict the noise (or v, see config.prediction) in the latents of B videos of F frames.

    Source: SPEC, section 2. State dict: the names of the released UNet, with its gate module split in two
    (`box_gate`, `image_gate`).
    """

    def __init__(self, config: SMCDConfig, *, dtype: Dtype = None, device: Device = None, operations: Operations = nn):
        super().__init__()
        self.config = config
        factory = dict(dtype=dtype, device=device)
        layers = dict(operations=operations, **factory)
        self.time_embed = time_mlp(config.model_channels, **layers)
        self.input_blocks, skips = encoder_blocks(config, config.in_channels, gates=True, **layers)
        dim = skips[-1]
        self.middle_block = nn.ModuleList(
            [
                ResBlock(dim, dim, config, **layers),
                *_transformers(dim, config, gates=True, **layers),
                ResBlock(dim, dim, config, **layers),
            ]
        )
        self.output_blocks = nn.ModuleList()
        last_level = len(config.channel_mult) - 1
        for level in reversed(range(last_level + 1)):
            out_dim = config.model_channels * config.channel_mult[level]
            for block in range(config.num_res_blocks + 1):
                skip = skips.pop() * (2 if config.control else 1)
                stack = [ResBlock(dim + skip, out_dim, config, **layers)]
                if 2.0**-level in config.attention_scales:
                    stack += _transformers(out_dim, config, gates=True, **layers)
                if level > 0 and block == config.num_res_blocks:
                    stack.append(Upsample(out_dim, **layers))
                self.output_blocks.append(nn.ModuleList(stack))
                dim = out_dim
        self.out = nn.Sequential(
            operations.GroupNorm(config.norm_groups, dim, **factory),
            nn.SiLU(),
            operations.Conv2d(dim, config.latent_channels, 3, padding=1, **factory),
        )

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        conditions: Conditions,
        *,
        control: list[Tensor] | None = None,
        deep: DeepFeatures | None = None,
    ) -> Tensor:
        """Denoise once.

        Shapes:
            x        [BF, in_channels, H, W]  noisy latents, then (ZC) the first frame's latent in every frame
            t        [B]                      timesteps 0..999
            control  ControlNet's output, only for networks with config.control
            deep     filled if empty; else only the first level runs, on these features of an earlier call
            returns  [BF, 4, H, W]

        Raises SMCDError unless config.stride divides H and W.
        """
        height, width = x.shape[2:]
        if height % self.config.stride or width % self.config.stride:
            raise SMCDError(
                f"the latents are {width} x {height} (width x height), expected multiples of {self.config.stride}: "
                "change the size of the video"
            )
        time = self.time_embed(timestep_features(t, self.config.model_channels).to(x.dtype))  # [B, E]
        first_level = self.config.num_res_blocks + 1  # number of blocks, in the encoder as in the decoder
        reused = deep.features if deep is not None else None
        x = x[: len(x) // conditions.copies]  # one copy; the first text attention makes all of it
        skips = []
        for block in self.input_blocks if reused is None else self.input_blocks[:first_level]:
            x = apply_block(block, x, time, conditions)
            skips.append(x)
        x = apply_block(self.middle_block, x, time, conditions) if reused is None else reused
        for block in self.output_blocks[-len(skips) :]:
            if deep is not None and len(skips) == first_level:
                deep.features = x
            control_features = [] if control is None else [control[len(skips) - 1]]
            # Nothing else refers to the inputs of `cat`, so their memory is free while the block runs.
            x = torch.cat([x, repeated(skips.pop(), len(x)), *control_features], dim=1)
            x = apply_block(block, x, time, conditions)
        return self.out(x)


@dataclass
class DeepFeatures:
    """Output of all levels below the first, [BF, C, H, W], to be kept from one call for another.

    Source: DeepCache (Ma et al., CVPR 2024).
    """

    features: Tensor | None = None


class ControlNet(nn.Module):
    """A copy of the encoder that reads the first frame and feeds the decoder (systems CtrlNet and ZC+CtrlNet).

    Source: SPEC, section 6.
    """

    def __init__(self, config: SMCDConfig, *, dtype: Dtype = None, device: Device = None, operations: Operations = nn):
        super().__init__()
        self.config = config
        factory = dict(dtype=dtype, device=device)
        layers = dict(operations=operations, **factory)
        self.time_embed = time_mlp(config.model_channels, **layers)
        self.input_blocks, channels = encoder_blocks(config, config.latent_channels, gates=False, **layers)
        self.zero_convs = nn.ModuleList([operations.Conv2d(dim, dim, 1, **factory) for dim in channels])
        hint = (config.latent_channels, config.model_channels, 3)
        self.input_hint_block = operations.Conv2d(*hint, padding=1, **factory)

    def forward(self, x: Tensor, first_frame: Tensor, t: Tensor, context: Tensor, num_frames: int) -> list[Tensor]:
        """Features for the decoder, one tensor [BF, C, h, w] per encoder block.

        Shapes:
            x            [BF, 4, H, W]  noisy latents
            first_frame  [B, 4, H, W]
            t, context   as in UNet3D.forward and Conditions.text
        """
        time = self.time_embed(timestep_features(t, self.config.model_channels).to(x.dtype))  # [B, E]
        conditions = Conditions(context, num_frames)
        features = []
        for index, (block, zero_conv) in enumerate(zip(self.input_blocks, self.zero_convs, strict=True)):
            x = apply_block(block, x, time, conditions)
            if index == 0:
                x = x + self.input_hint_block(first_frame).repeat_interleave(num_frames, dim=0)
            features.append(zero_conv(x))
        return features


def apply_block(block: nn.Module, x: Tensor, time: Tensor, conditions: Conditions) -> Tensor:
    """Apply a list of layers or a single one. x holds all copies of the videos, or the first (see Conditions)."""
    for layer in block if isinstance(block, nn.ModuleList) else [block]:
        if isinstance(layer, ResBlock):
            x = layer(x, time[: len(x) // conditions.num_frames], conditions)
        elif isinstance(layer, SpatialTransformer):
            x = layer(x, conditions.part(slice(0, len(x)), of=len(x)))
        elif isinstance(layer, TemporalTransformer):
            x = layer(x, conditions)
        else:
            x = layer(x)
    return x


def time_mlp(dim: int, *, dtype: Dtype, device: Device, operations: Operations) -> nn.Sequential:
    """Embedding of the timestep features. [B, C] -> [B, 4 * C]"""
    factory = dict(dtype=dtype, device=device)
    return nn.Sequential(
        operations.Linear(dim, 4 * dim, **factory), nn.SiLU(), operations.Linear(4 * dim, 4 * dim, **factory)
    )


def timestep_features(t: Tensor, dim: int) -> Tensor:
    """Sinusoids of the timestep, cosines first: [B] -> float32 [B, dim]. Source: SPEC, section 2.2."""
    half = dim // 2
    # As released: a power, not the exponential of a logarithm. At t = 999 their rounding differs by 6e-5.
    frequencies = torch.pow(10000, -torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def encoder_blocks(
    config: SMCDConfig, in_channels: int, *, gates: bool, dtype: Dtype, device: Device, operations: Operations
) -> tuple[nn.ModuleList, list[int]]:
    """Build the downward half of the UNet; also returns the number of channels that each block gives."""
    factory = dict(dtype=dtype, device=device)
    layers = dict(operations=operations, **factory)
    dim = config.model_channels
    first = nn.ModuleList(
        [
            operations.Conv2d(in_channels, dim, 3, padding=1, **factory),
            TemporalTransformer(dim, config, config.num_heads, **layers),
        ]
    )
    blocks, channels = [first], [dim]
    for level, mult in enumerate(config.channel_mult):
        out_dim = config.model_channels * mult
        for _ in range(config.num_res_blocks):
            stack = [ResBlock(dim, out_dim, config, **layers)]
            if 2.0**-level in config.attention_scales:
                stack += _transformers(out_dim, config, gates=gates, **layers)
            blocks.append(nn.ModuleList(stack))
            channels.append(out_dim)
            dim = out_dim
        if level < len(config.channel_mult) - 1:
            blocks.append(Downsample(dim, **layers))
            channels.append(dim)
    return nn.ModuleList(blocks), channels


def _transformers(
    dim: int, config: SMCDConfig, *, gates: bool, dtype: Dtype, device: Device, operations: Operations
) -> list[nn.Module]:
    layers = dict(dtype=dtype, device=device, operations=operations)
    return [
        SpatialTransformer(dim, config, gates, **layers),
        TemporalTransformer(dim, config, dim // config.head_dim, **layers),
    ]
