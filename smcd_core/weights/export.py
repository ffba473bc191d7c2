"""Write checkpoints in the layouts of other programs: the release and diffusers."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from ..files import replacing
from ..networks.config import ConfigError
from .checkpoint import CONFIG_FILE, PARTS, SUFFIXES, Checkpoint
from .files import CheckpointError, naming_failures, save_weights
from .layouts import HEADS, LayoutError, diffusers_names, is_conv1d, join_gates, released_config, shapes_of


def write_released(folder: str | Path, checkpoint: Checkpoint) -> None:
    """Write the networks alone, in the release's files, into a folder without weights.

    A configuration that their shapes do not give is added as smcd.json.
    """
    folder = _empty_folder(folder)
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in checkpoint.weights.items():
        part, rest = name.split(".", 1)
        parts.setdefault(part, {})[rest] = tensor
    parts = {part: join_gates(tensors) for part, tensors in parts.items()}
    shapes = {part: shapes_of(tensors) for part, tensors in parts.items()}
    try:
        inferred = released_config(shapes["unet"], shapes.get("box_encoder"), shapes.get("image_encoder"))
    except (LayoutError, ConfigError):
        inferred = None
    with ExitStack() as complete:  # all files appear together, at the end
        # As released: numbered in this order, without gaps.
        for index, part in enumerate(part for part in PARTS if part in parts):
            path = folder / (f"pytorch_model_{index}.bin" if index else "pytorch_model.bin")
            temporary = complete.enter_context(replacing(path))
            with naming_failures(path):
                torch.save({key: x.detach().contiguous() for key, x in parts[part].items()}, temporary)
        if inferred != checkpoint.config:
            temporary = complete.enter_context(replacing(folder / CONFIG_FILE))
            temporary.write_text(checkpoint.config.to_json(), encoding="utf-8")


def write_diffusers(folder: str | Path, checkpoint: Checkpoint) -> None:
    """Write the backbone for diffusers' UNet3DConditionModel.from_pretrained, into a folder without weights.

    Raises CheckpointError for networks that diffusers cannot express: with gates, a ControlNet or v prediction.
    """
    config = checkpoint.config
    lost = {
        "the box and image gates": config.boxes,
        "the ControlNet": config.control,
        f"{config.num_heads} heads in the first temporal transformer (there always {HEADS})": config.num_heads != HEADS,
        f"prediction of {config.prediction} (there epsilon)": config.prediction != "epsilon",
    }
    if any(lost.values()):
        what = ", ".join(name for name, is_lost in lost.items() if is_lost)
        raise CheckpointError(
            f"{checkpoint.path}: a diffusers UNet3DConditionModel cannot hold {what}; keep it as it is"
        )
    folder = _empty_folder(folder)
    names = diffusers_names(config, checkpoint.weights)
    tensors = {
        names[name]: tensor.squeeze(-1) if is_conv1d(tensor.shape) else tensor
        for name, tensor in checkpoint.weights.items()
    }
    levels = range(len(config.channel_mult))
    with_attention = [2.0**-level in config.attention_scales for level in levels]
    settings = {
        "_class_name": "UNet3DConditionModel",
        "in_channels": config.in_channels,
        "out_channels": config.latent_channels,
        "block_out_channels": [config.model_channels * mult for mult in config.channel_mult],
        "layers_per_block": config.num_res_blocks,
        "down_block_types": ["CrossAttnDownBlock3D" if has else "DownBlock3D" for has in with_attention],
        "up_block_types": ["CrossAttnUpBlock3D" if has else "UpBlock3D" for has in reversed(with_attention)],
        "cross_attention_dim": config.context_dim,
        "attention_head_dim": config.head_dim,
        "norm_num_groups": config.norm_groups,
    }
    with replacing(folder / "config.json") as temporary:
        temporary.write_text(json.dumps(settings, indent=2), encoding="utf-8")
        save_weights(folder / "diffusion_pytorch_model.safetensors", tensors, {"format": "pt"})


def _empty_folder(folder: str | Path) -> Path:
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder}: is a file, but this layout is a folder: name another one")
    folder.mkdir(parents=True, exist_ok=True)
    taken = sorted(file.name for file in folder.iterdir() if file.suffix in (*SUFFIXES, ".json"))
    if taken:
        raise CheckpointError(f"{folder}: holds {taken[0]} already: name a folder without weights and configurations")
    return folder
