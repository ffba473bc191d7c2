"""LoRA: a small file that changes the weights of a checkpoint.

    diffusion_model.NAME.lora_A.weight   [rank, in, ...]; or lora_down
    diffusion_model.NAME.lora_B.weight   [out, rank, ...]; or lora_up
    diffusion_model.NAME.alpha           optional; the change is alpha / rank * B A, without alpha B A
    diffusion_model.NAME.diff            added to the weight as it is; .diff_b to the bias

NAME is that of a layer in ComfyUI, whose own nodes read the same files: a layer of the UNet has no prefix there. Names
of the form lora_unet_input_blocks_1_0... are read too. The scalars of gates cannot change: ComfyUI patches only layers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .checkpoint import Checkpoint
from .files import CheckpointError, read_weights, save_weights

MODEL = "diffusion_model."  # prefix of ComfyUI
_PARTS = {
    ".lora_A.weight": "down",
    ".lora_down.weight": "down",
    ".lora_B.weight": "up",
    ".lora_up.weight": "up",
    ".alpha": "alpha",
    ".diff_b": "diff_b",
    ".diff": "diff",
}


@dataclass(frozen=True)
class LowRank:
    """The change scale * up @ down, with down [rank, in, ...] and up [out, rank, ...]."""

    down: Tensor
    up: Tensor
    scale: float = 1.0

    def whole(self) -> Tensor:
        """float32 [out, in * ...]"""
        return self.scale * (self.up.float().flatten(1) @ self.down.float().flatten(1))


Changes = Mapping[str, LowRank | Tensor]  # by the name of the weight in the state dict of SMCD
Chosen = str | Path | Sequence[tuple[str | Path, float]]  # one file, or several with the strength of each


def merged(weights: Mapping[str, Tensor], changes: Changes, strength: float = 1.0) -> dict[str, Tensor]:
    """The weights with the changes added; those that change become float32, the others stay as they are."""
    result = dict(weights)
    for name, change in changes.items():
        old = result[name]
        whole = change.whole() if isinstance(change, LowRank) else change.float()
        result[name] = old.float() + strength * whole.reshape(old.shape).to(old.device)
    return result


def with_loras(checkpoint: Checkpoint, lora: Chosen | None) -> Checkpoint:
    """The checkpoint with LoRAs merged in, one after another. Raises CheckpointError for one that does not fit."""
    if lora is None:
        return checkpoint
    weights = checkpoint.weights
    for path, strength in [(lora, 1.0)] if isinstance(lora, str | Path) else lora:
        weights = merged(weights, read_lora(path, checkpoint.weights), strength)
    return replace(checkpoint, weights=weights)


def read_lora(path: str | Path, weights: Mapping[str, Tensor]) -> dict[str, LowRank | Tensor]:
    """Read what a file changes in these weights, a state dict of SMCD.

    Raises CheckpointError for a file that is no LoRA, or one of another network: every tensor must have its place.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    found: dict[str, dict[str, Tensor]] = {}
    places = _places(weights)
    for key, tensor in read_weights(path).tensors.items():
        stem, part = _split(path, key)
        if stem not in places:
            raise CheckpointError(
                f"{path}: changes {stem}, which the checkpoint does not have: use it with the checkpoint that it was "
                "trained on"
            )
        if not tensor.is_floating_point():
            raise CheckpointError(f"{path}: {key} holds {tensor.dtype}, expected floating point numbers")
        name = places[stem]
        if part == "diff_b":
            name, part = name.removesuffix("weight") + "bias", "diff"
        found.setdefault(name, {})[part] = tensor
    if not found:
        raise CheckpointError(f"{path}: holds no tensors")
    return {name: _change(path, name, parts, weights.get(name)) for name, parts in found.items()}


def ranks_of(tensors: Mapping[str, Tensor]) -> list[int]:
    """The rank of each pair in a file, without order."""
    downs = [name for name in tensors if any(name.endswith(end) for end, part in _PARTS.items() if part == "down")]
    return [tensors[name].shape[0] for name in downs if tensors[name].ndim]


def _places(names: Iterable[str]) -> dict[str, str]:
    """Which weight each stem of a key stands for."""
    places = {}
    for name in names:
        if name.endswith(".weight"):
            stem = name.removeprefix("unet.").removesuffix(".weight")
            places[MODEL + stem] = places["lora_unet_" + stem.replace(".", "_")] = name
    return places


def _split(path: Path, key: str) -> tuple[str, str]:
    for suffix, part in _PARTS.items():
        if key.endswith(suffix):
            return key.removesuffix(suffix), part
    raise CheckpointError(f"{path}: {key} is no part of a LoRA, expected names that end in {', '.join(_PARTS)}")


def _change(path: Path, name: str, parts: Mapping[str, Tensor], weight: Tensor | None) -> LowRank | Tensor:
    """Raises CheckpointError unless the parts are complete and of the shape of the weight."""
    is_diff = parts.keys() == {"diff"}
    if not is_diff and not {"up", "down"} <= parts.keys() <= {"up", "down", "alpha"}:
        raise CheckpointError(f"{path}: has {', '.join(sorted(parts))} for {name}, expected a pair of up and down")
    shape = None if weight is None else list(weight.shape)
    if is_diff:
        change, size = parts["diff"], list(parts["diff"].shape)
    else:
        down, up = parts["down"], parts["up"]
        rank, size = down.shape[0] if down.ndim else 0, [*up.shape[:1], *down.shape[1:]]
        if min(up.ndim, down.ndim) < 2 or up.flatten(1).shape[1] != rank or not rank:
            size = [list(down.shape), list(up.shape)]
        alpha = parts["alpha"].flatten()[:1].tolist() if "alpha" in parts else []
        change = LowRank(down, up, alpha[0] / rank if alpha and rank else 1.0)
    if size != shape:
        raise CheckpointError(
            f"{path}: changes {name} by {size}, its shape in the checkpoint is {shape}: use it with the checkpoint "
            "that it was trained on"
        )
    return change


def write_lora(path: str | Path, changes: Changes, info: dict[str, Any]) -> None:
    """Write a file that `read_lora` and ComfyUI read; it appears under its name only when it is complete.

    info  anything JSON-able: training settings, the checkpoint that it belongs to
    """
    tensors: dict[str, Tensor] = {}
    for name, change in changes.items():
        layer, _, kind = name.removeprefix("unet.").rpartition(".")
        stem = MODEL + layer
        if isinstance(change, LowRank):
            tensors[f"{stem}.lora_A.weight"], tensors[f"{stem}.lora_B.weight"] = change.down, change.up
            if change.scale != 1:
                tensors[f"{stem}.alpha"] = torch.tensor(change.scale * len(change.down))
        else:
            tensors[f"{stem}.diff_b" if kind == "bias" else f"{stem}.diff"] = change
    save_weights(Path(path), tensors, {"smcd_lora_version": "1", "info": json.dumps(info)})
