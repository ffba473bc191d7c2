"""The published model's own numbers: tiny weights, inputs and outputs recorded from it (see golden/README.md)."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from smcd_core.networks.config import SMCDConfig
from smcd_core.weights.layouts import split_gates

FOLDER = Path(__file__).parent / "golden" / "reference"

TINY = dict(
    model_channels=32,
    channel_mult=(1, 1, 1, 2),
    num_res_blocks=1,
    head_dim=8,
    phrase_dim=32,
    image_encoder_channels=(16, 24, 32, 40),
)
CONFIGS = {
    "backbone": SMCDConfig(**TINY, boxes=False, first_frame_concat=False, image_tokens="none"),
    "mim": SMCDConfig(**TINY, first_frame_concat=False, image_tokens="none"),
    "smcd": SMCDConfig(**TINY),
    "parallel": SMCDConfig(**TINY, image_tokens="parallel"),
    "control": SMCDConfig(**TINY, first_frame_concat=False, image_tokens="none", control=True),
}
_OVERLAYS = {
    "smcd": [],
    "backbone": ["weights_delta_backbone"],
    "mim": ["weights_delta_backbone"],
    "parallel": ["weights_delta_parallel"],
    "control": ["weights_delta_backbone", "weights_delta_control"],
    "controlnet": ["weights_delta_backbone", "weights_delta_controlnet"],
}
_DROPPED = {
    "backbone": r"\.gate_attn\.",
    "mim": r"\.gate_attn\.(cross_|v_linear)",
    "control": r"\.gate_attn\.(cross_|v_linear)",
    "controlnet": r"\.gate_attn\.|^(middle_block|output_blocks|out)\.",
}


def tensors(name: str) -> dict[str, Tensor]:
    """One recorded file, whose tensors all tests share; weights are stored in fewer bits, without loss."""
    return dict(_read(name))


@cache
def _read(name: str) -> dict[str, Tensor]:
    return {
        key: value.float() if value.is_floating_point() and value.dtype != torch.float64 else value
        for key, value in load_file(FOLDER / f"{name}.safetensors").items()
    }


def released_weights(variant: str) -> dict[str, Tensor]:
    """State dict of a variant under the names of the released files."""
    weights = tensors("weights_smcd")
    for overlay in _OVERLAYS[variant]:
        weights |= tensors(overlay)
    dropped = _DROPPED.get(variant)
    return {key: value for key, value in weights.items() if not (dropped and re.search(dropped, key))}


def load(module: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    module.load_state_dict(split_gates(weights))
    return module.eval()


def close(actual: Tensor, expected: Tensor, tolerance: float = 2e-5) -> bool:
    """Absolute or relative to the largest value. The published code itself differs from its float64 self by up to
    6e-6 on UNet outputs, 1.2e-5 on ControlNet features of magnitude 14.
    """
    assert actual.shape == expected.shape
    return (actual - expected).abs().max().item() <= tolerance * max(1.0, expected.abs().max().item())
