"""Read the files of ComfyUI's nodes Save Checkpoint and Save Model, also those of a merged or LoRA-patched one.

Those nodes use names of their own for tensors and drop our metadata, so the model adds one tensor that holds it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import torch
from torch import Tensor

from ..networks.config import SMCDConfig
from .files import MAX_HEADER, CheckpointError, Component, WeightFile

HEADER = "smcd_header"  # uint8: text of a JSON object
MODEL, VAE, CLIP = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."  # prefixes of ComfyUI
TEXT_MODEL = "clip_h.transformer.text_model."  # prefix of the text encoder in the CLIP that nodes/host/text.py builds
BESIDE_UNET = ("box_encoder.", "image_encoder.", "control_net.")  # as in networks.smcd.SMCD
TOKENS = "embeddings.token_embedding.weight"

# ComfyUI's names of a VAE's parts, and those of diffusers.
_VAE_PARTS = (
    (r"\bmid\.block_1\.", "mid_block.resnets.0."),
    (r"\bmid\.block_2\.", "mid_block.resnets.1."),
    (r"\bmid\.attn_1\.norm\.", "mid_block.attentions.0.group_norm."),
    (r"\bmid\.attn_1\.(q|k|v)\.", r"mid_block.attentions.0.to_\1."),
    (r"\bmid\.attn_1\.proj_out\.", "mid_block.attentions.0.to_out.0."),
    (r"\bdown\.(\d+)\.block\.(\d+)\.", r"down_blocks.\1.resnets.\2."),
    (r"\bdown\.(\d+)\.downsample\.", r"down_blocks.\1.downsamplers.0."),
    (r"\bup\.(\d+)\.block\.(\d+)\.", r"up_blocks.\1.resnets.\2."),
    (r"\bup\.(\d+)\.upsample\.", r"up_blocks.\1.upsamplers.0."),
    (r"\bnin_shortcut\.", "conv_shortcut."),
    (r"\bnorm_out\.", "conv_norm_out."),
)


def read_saved(file: WeightFile) -> tuple[SMCDConfig, dict[str, Tensor], dict[str, Any]]:
    """Configuration, weights and further arguments of Checkpoint, from a file with a HEADER. Raises CheckpointError."""
    packed = file.tensors[HEADER]
    if packed.dtype != torch.uint8 or packed.numel() > MAX_HEADER:
        raise CheckpointError(
            f"{file.path}: {HEADER} is damaged ({packed.numel()} numbers of {packed.dtype}). Save it again"
        )
    inside, vae, text = (_below(file, prefix) for prefix in (MODEL, VAE, CLIP + TEXT_MODEL))
    weights = {name if name.startswith(BESIDE_UNET) else f"unet.{name}": x for name, x in inside.items()}
    try:
        values = json.loads(packed.numpy().tobytes())
        config = SMCDConfig.from_json(values["config"])
        parts: dict[str, Any] = {"info": dict(values["info"])}
        if vae and "vae" in values:
            settings = dict(values["vae"])
            parts["vae"] = Component(settings, _with_names_of_diffusers(vae, len(settings["block_out_channels"])))
        if text and "text_encoder" in values:
            # ComfyUI's table has more rows than the tokenizer has tokens.
            text[TOKENS] = text[TOKENS][: values["text_encoder"]["vocab_size"]]
            parts["text_encoder"] = Component(dict(values["text_encoder"]), text)
            parts["tokenizer"] = dict(values["tokenizer"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{file.path}: {HEADER} is damaged ({error}). Save it again") from None
    return config, weights, parts


def _below(file: WeightFile, prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): x for name, x in file.tensors.items() if name.startswith(prefix)}


def _with_names_of_diffusers(vae: dict[str, Tensor], levels: int) -> dict[str, Tensor]:
    """Tensors of a VAE by their names in AutoencoderKL, which has linear layers in its attention, not convolutions."""
    renamed = {}
    for name, tensor in vae.items():
        new = name
        for theirs, ours in _VAE_PARTS:
            new = re.sub(theirs, ours, new)
        # There the decoder's levels count from the largest image, here from the smallest.
        new = re.sub(r"up_blocks\.(\d+)\.", lambda level: f"up_blocks.{levels - 1 - int(level[1])}.", new)
        is_linear = re.search(r"attentions\.0\.to_.*weight$", new) and tensor.ndim == 4
        renamed[new] = tensor[..., 0, 0] if is_linear else tensor
    return renamed
