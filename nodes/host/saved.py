"""Read checkpoints that the host's nodes Save Checkpoint and Save Model wrote, also of merged or LoRA-patched models.

Those nodes use their own tensor names and drop our metadata, so the model adds one tensor that holds it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...smcd_core.networks.config import SMCDConfig
from ...smcd_core.weights.checkpoint import MAX_HEADER, Checkpoint, CheckpointError, Component, read_checkpoint
from ...smcd_core.weights.files import WeightFile, read_weights
from ...smcd_core.weights.stored import check_components

HEADER = "smcd_header"  # uint8: text of a JSON object
MODEL, VAE, CLIP = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."  # prefixes of the host
TEXT_MODEL = "clip_h.transformer.text_model."  # prefix of the text encoder in the CLIP that text.py builds
BESIDE_UNET = ("box_encoder.", "image_encoder.", "control_net.")  # as in smcd_core.networks.smcd.SMCD
TOKENS = "embeddings.token_embedding.weight"


def header(checkpoint: Checkpoint) -> Tensor:
    """Pack everything of a checkpoint but its weights into a tensor."""
    values: dict[str, Any] = {"config": checkpoint.config.to_json(), "info": checkpoint.info}
    if checkpoint.vae is not None:
        values["vae"] = checkpoint.vae.config
    if checkpoint.text_encoder is not None and checkpoint.tokenizer is not None:
        values |= {"text_encoder": checkpoint.text_encoder.config, "tokenizer": checkpoint.tokenizer}
    return torch.frombuffer(bytearray(json.dumps(values), "utf-8"), dtype=torch.uint8)


def read_any_checkpoint(source: str | Path | WeightFile) -> Checkpoint:
    """read_checkpoint that also reads files of the host's nodes.

    The VAE weights of such files keep the host's names, which the host accepts too. Raises CheckpointError.
    """
    if not isinstance(source, WeightFile):
        path = Path(source)
        if not path.is_file():
            return read_checkpoint(path)
        source = read_weights(path)
    checkpoint = _read_saved(source) if HEADER in source.tensors else read_checkpoint(source)
    check_components(checkpoint)
    return checkpoint


def _read_saved(file: WeightFile) -> Checkpoint:
    packed = file.tensors[HEADER]
    if packed.dtype != torch.uint8 or packed.numel() > MAX_HEADER:
        raise CheckpointError(
            f"{file.path}: {HEADER} is damaged ({packed.numel()} numbers of {packed.dtype}). Save it again"
        )
    inside, vae, text = (_below(file, prefix) for prefix in (MODEL, VAE, CLIP + TEXT_MODEL))
    weights = {name if name.startswith(BESIDE_UNET) else f"unet.{name}": x for name, x in inside.items()}
    parts: dict[str, Any] = {}
    try:
        values = json.loads(packed.numpy().tobytes())
        config, info = SMCDConfig.from_json(values["config"]), dict(values["info"])
        if vae and "vae" in values:
            parts["vae"] = Component(dict(values["vae"]), vae)
        if text and "text_encoder" in values:
            # The host's table has more rows than the tokenizer has tokens.
            text[TOKENS] = text[TOKENS][: values["text_encoder"]["vocab_size"]]
            parts["text_encoder"] = Component(dict(values["text_encoder"]), text)
            parts["tokenizer"] = dict(values["tokenizer"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{file.path}: {HEADER} is damaged ({error}). Save it again") from None
    return Checkpoint(file.path, "smcd", config, weights, info=info, **parts).checked()


def _below(file: WeightFile, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): x for name, x in file.tensors.items() if name.startswith(prefix)}
