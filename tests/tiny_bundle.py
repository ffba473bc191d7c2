"""Checkpoints with random weights and everything inside, small enough to make a video in a second."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel

from smcd_core.networks.config import SMCDConfig
from smcd_core.networks.smcd import SMCD
from smcd_core.networks.text import TextEncoder
from smcd_core.training.pretrain import small_tokenizer
from smcd_core.weights.checkpoint import Checkpoint, write_checkpoint
from smcd_core.weights.components import pack_components

WIDTH = 32  # of the text encoder
CONFIG = SMCDConfig(
    model_channels=32, channel_mult=(1, 2), num_res_blocks=1, attention_scales=(1.0, 0.5), num_heads=2, head_dim=16,
    context_dim=WIDTH, norm_groups=8, phrase_dim=WIDTH, box_slots=3, image_encoder_channels=(16, 32),
    image_encoder_blocks=1,
)  # fmt: skip
MULTIPLE = 16  # pixels: 8 of the VAE times 2 of the UNet
BOXES = {
    "version": 1, "width": 60, "height": 40, "frames": 3,
    "objects": [{"phrase": "red circle", "keys": [{"frame": 0, "box": [0.1, 0.1, 0.5, 0.5]},
                                                  {"frame": 2, "box": [0.5, 0.5, 0.9, 0.9]}]}],
}  # fmt: skip
DEFAULTS = {"width": 48, "height": 32, "frames": 3, "fps": 6, "steps": 2, "text": 2.0}


def tiny_vae() -> AutoencoderKL:
    """Stride 8, as in Stable Diffusion."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16,) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=4,
        scaling_factor=0.25,  # not the default, so that losing it shows
    ).eval()


def tiny_text() -> TextEncoder:
    tokenizer = small_tokenizer("a red blue circle square moving right and meadow".split())
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=12,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return TextEncoder(tokenizer, CLIPTextModel(config)).eval()


def tiny_smcd(config: SMCDConfig = CONFIG) -> SMCD:
    """No weight or gate is zero, so that every condition shows in the result."""
    model = SMCD(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 0:
                parameter.fill_(0.7)  # gates
            elif name.endswith("null_positive_feature") or name.endswith("null_position_feature"):
                parameter.normal_(std=0.5)
            elif parameter.ndim > 1 and not parameter.any():
                parameter.normal_(std=0.05)
    return model


def write_bundle(path: Path, config: SMCDConfig = CONFIG, seed: int = 0) -> Path:
    """A file like the bundled default."""
    torch.manual_seed(seed)
    packed = pack_components(tiny_vae(), tiny_text())
    write_checkpoint(path, config, tiny_smcd(config).state_dict(), **packed, info={"defaults": DEFAULTS})
    return path


def write_components(folder: Path, seed: int = 0) -> Path:
    """VAE, tokenizer and text encoder as a diffusers pipeline has them."""
    torch.manual_seed(seed)
    vae, text = tiny_vae(), tiny_text()
    vae.save_pretrained(folder / "vae")
    text.tokenizer.save_pretrained(folder / "tokenizer")
    text.model.save_pretrained(folder / "text_encoder")
    return folder


def bare(config: SMCDConfig = CONFIG, seed: int = 0) -> Checkpoint:
    """Only SMCD's own networks."""
    torch.manual_seed(seed)
    return Checkpoint(Path("made-here"), "smcd", config, tiny_smcd(config).state_dict())


def write_inputs(folder: Path) -> None:
    """All that a command takes: picture.png, boxes.json, bundle.safetensors and the folder components."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "picture.png")
    (folder / "boxes.json").write_text(json.dumps(BOXES))
    write_bundle(folder / "bundle.safetensors")
    write_components(folder / "components")
