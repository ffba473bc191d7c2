"""Train low-rank changes of layers instead of their weights, with peft."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ..networks.attention import Attention
from ..networks.image import GatedCrossAttention, ImageEncoder
from ..networks.motion import BoxEncoder, GatedSelfAttention
from ..networks.smcd import SMCD
from ..weights.lora import LowRank
from .config import TrainingError
from .parameters import trainable_parameters

_DOWN, _UP = ".lora_A.default.weight", ".lora_B.default.weight"  # peft's names


def add_lora(model: SMCD, stage: str, images: bool, rank: int) -> dict[str, nn.Parameter]:
    """Put adapters beside the layers of gates, encoders and attention that a stage trains; they start without effect.

    Returns their parameters by name. The scalars of gates do not change: ComfyUI patches layers only. Raises
    TrainingError if there is no such layer or peft is missing.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise TrainingError(
            f"a LoRA is trained with the package peft, which cannot be imported ({error}): pip install peft"
        ) from None
    chosen = trainable_parameters(model, stage, images)
    layers = lora_layers(model, chosen)
    if not layers:
        raise TrainingError(f"stage {stage} trains no gate, encoder or attention of this system: {model.config}")
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=layers), model)
    return {name: parameter for name, parameter in model.named_parameters() if name.endswith((_DOWN, _UP))}


def lora_layers(model: SMCD, chosen: Mapping[str, nn.Parameter]) -> list[str]:
    """Names of the linear layers and convolutions of gates, encoders and attention whose weights are chosen."""
    homes = GatedSelfAttention | GatedCrossAttention | ImageEncoder | BoxEncoder | Attention
    inside = {id(layer) for home in model.modules() if isinstance(home, homes) for layer in home.modules()}
    return [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d) and id(layer) in inside and f"{name}.weight" in chosen
    ]


def without_adapters(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, LowRank]]:
    """Take a state dict with adapters apart: the state dict of SMCD, and what the adapters change in it."""
    plain, changes = {}, {}
    for name, value in weights.items():
        if name.endswith(_DOWN):
            stem = name.removesuffix(_DOWN)
            changes[f"{stem}.weight"] = LowRank(value, weights[stem + _UP])
        elif not name.endswith(_UP):
            plain[name.replace(".base_layer.", ".")] = value
    return plain, changes
