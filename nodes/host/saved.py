"""Checkpoints that the host's own nodes wrote: Save Checkpoint and Save Model, of merged or LoRA-patched models too.

Those nodes write names of their own, and no metadata of ours. So the model adds one tensor that holds our metadata.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...smcd_core.networks.config import SMCDConfig
from ...smcd_core.weights.checkpoint import Checkpoint, CheckpointError, Component, build, read_checkpoint
from ...smcd_core.weights.files import WeightFile, read_weights

HEADER = "smcd_header"  # uint8: text of a JSON object
MODEL, VAE, CLIP = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."  # prefixes of the host
TEXT_MODEL = "clip_h.transformer.text_model."  # of the text encoder in the host's CLIP, as host_text makes it
BESIDE_UNET = ("box_encoder.", "image_encoder.", "control_net.")  # as in smcd_core.networks.smcd.SMCD
TOKENS = "embeddings.token_embedding.weight"


def header(checkpoint: Checkpoint) -> Tensor:
    """All of a checkpoint but its weights."""
    values: dict[str, Any] = {"config": checkpoint.config.to_json(), "info": checkpoint.info}
    if checkpoint.vae is not None:
        values["vae"] = checkpoint.vae.config
    if checkpoint.text_encoder is not None and checkpoint.tokenizer is not None:
        values |= {"text_encoder": checkpoint.text_encoder.config, "tokenizer": checkpoint.tokenizer}
    return torch.frombuffer(bytearray(json.dumps(values), "utf-8"), dtype=torch.uint8)


def read_any_checkpoint(path: str | Path) -> Checkpoint:
    """read_checkpoint, for files of the host too.

    The weights of a VAE that comes out of those have the host's names, which the host takes as well. Raises
    CheckpointError.
    """
    path = Path(path)
    file = read_weights(path) if path.is_file() else None
    if file is None or HEADER not in file.tensors:
        return read_checkpoint(path)
    return _read_saved(file)


def _read_saved(file: WeightFile) -> Checkpoint:
    inside, vae, text = (_below(file, prefix) for prefix in (MODEL, VAE, CLIP + TEXT_MODEL))
    weights = {name if name.startswith(BESIDE_UNET) else f"unet.{name}": x for name, x in inside.items()}
    parts = {}
    try:
        values = json.loads(bytes(file.tensors[HEADER].tolist()))
        config, info = SMCDConfig.from_json(values["config"]), dict(values["info"])
        if vae and "vae" in values:
            parts["vae"] = Component(dict(values["vae"]), vae)
        if text and "text_encoder" in values:
            # The host has more rows than the tokenizer has tokens.
            text[TOKENS] = text[TOKENS][: values["text_encoder"]["vocab_size"]]
            parts["text_encoder"] = Component(dict(values["text_encoder"]), text)
            parts["tokenizer"] = dict(values["tokenizer"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{file.path}: {HEADER} is damaged ({error}). Save it again") from None
    checkpoint = Checkpoint(file.path, "smcd", config, weights, info=info, **parts)
    try:
        build(checkpoint)  # compares all names and shapes, and reads nothing
    except (ValueError, RuntimeError, ArithmeticError) as error:
        first = str(error).split("\n\t")[-1].strip()  # torch has a line for each fault
        raise CheckpointError(f"{file.path}: its weights are not those of its configuration: {first[:200]}") from None
    return checkpoint


def _below(file: WeightFile, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): x for name, x in file.tensors.items() if name.startswith(prefix)}
