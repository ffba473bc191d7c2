"""Key layouts of SMCD weights."""

from __future__ import annotations

import re

from torch import Tensor

_GATE = re.compile(r"(.*\.)?gate_attn\.(.+)")
_IMAGE_GATE = {
    "v_linear": "linear",
    "cross_attn": "attn",
    "cross_ff": "ff",
    "cross_norm1": "norm1",
    "cross_norm2": "norm2",
    "cross_alpha_attn": "alpha_attn",
    "cross_alpha_dense": "alpha_dense",
}
_BETAS = {"beta_g": "box_beta", "beta_v": "image_beta"}


def split_gates(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Released names to ours: one gate module becomes box_gate and image_gate."""
    return {_split_gate(key): value for key, value in state_dict.items()}


def _split_gate(key: str) -> str:
    match = _GATE.fullmatch(key)
    if not match:
        return key
    prefix, (first, *rest) = match[1] or "", match[2].split(".")
    if first in _BETAS:
        return prefix + _BETAS[first]
    if first in _IMAGE_GATE:
        return ".".join([f"{prefix}image_gate", _IMAGE_GATE[first], *rest])
    return f"{prefix}box_gate.{match[2]}"
