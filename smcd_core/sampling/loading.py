"""All networks of a pipeline, from files and into one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL

from ..networks.smcd import SMCD
from ..networks.text import TextEncoder
from ..weights.checkpoint import SUFFIXES, Checkpoint, CheckpointError, build, read_checkpoint, write_checkpoint
from ..weights.components import FOLDERS, load_components, missing_components, pack_components, unpack_components
from ..weights.lora import Chosen, with_loras


def read_networks(
    path: Path,
    components: str | Path | None,
    device: str,
    dtype: torch.dtype,
    lora: Chosen | None = None,
    checkpoint: Checkpoint | None = None,
) -> tuple[SMCD, AutoencoderKL, TextEncoder, Checkpoint]:
    """SMCD on its device; VAE and text encoder from `components`, the checkpoint or its folder, as they were stored.

    checkpoint  what is at `path`, if it has been read

    Raises CheckpointError.
    """
    checkpoint = with_loras(checkpoint or read_checkpoint(path), lora)
    missing = missing_components(checkpoint)
    if components is None and missing and any((path / name).is_dir() for name in FOLDERS):
        components = path
    if components is not None:
        vae, text = load_components(components)
    elif missing:
        raise CheckpointError(
            f"{path}: carries no {' and no '.join(missing)}: name a diffusers folder that has them, such as "
            "text-to-video-ms-1.7b, with --components (components= in Python)"
        )
    else:
        vae, text = unpack_components(checkpoint)
    return build(checkpoint, dtype=dtype, device=device), vae, text, checkpoint


def write_networks(
    path: str | Path, smcd: SMCD, vae: AutoencoderKL, text: TextEncoder, info: Mapping[str, Any]
) -> Path:
    """One file with everything, at `path` or in that folder as smcd.safetensors; its path comes back."""
    path = Path(path)
    if path.suffix in SUFFIXES and path.suffix != ".safetensors":
        raise CheckpointError(f"{path}: only .safetensors is written: name such a file, or a folder")
    file = path if path.suffix == ".safetensors" else path / "smcd.safetensors"
    write_checkpoint(file, smcd.config, smcd.state_dict(), **pack_components(vae, text), info=dict(info))
    return file
