"""Keep a model whole through the host's nodes Save Checkpoint and Save Model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...smcd_core.weights.checkpoint import Checkpoint, read_checkpoint
from ...smcd_core.weights.files import WeightFile
from ...smcd_core.weights.stored import check_components


def header(checkpoint: Checkpoint) -> Tensor:
    """Pack everything of a checkpoint but its weights into a tensor."""
    values: dict[str, Any] = {"config": checkpoint.config.to_json(), "info": checkpoint.info}
    if checkpoint.vae is not None:
        values["vae"] = checkpoint.vae.config
    if checkpoint.text_encoder is not None and checkpoint.tokenizer is not None:
        values |= {"text_encoder": checkpoint.text_encoder.config, "tokenizer": checkpoint.tokenizer}
    return torch.frombuffer(bytearray(json.dumps(values), "utf-8"), dtype=torch.uint8)


def read_any_checkpoint(source: str | Path | WeightFile) -> Checkpoint:
    """Read a checkpoint whose VAE and text encoder, if any, can be built. Raises CheckpointError."""
    checkpoint = read_checkpoint(source)
    check_components(checkpoint)
    return checkpoint
