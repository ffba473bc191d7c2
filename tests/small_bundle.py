"""A checkpoint like the bundled default with random weights: the same networks, VAE and text encoder included."""

from __future__ import annotations

from pathlib import Path

import torch
from tiny_bundle import tiny_smcd

from smcd_core.networks.config import SMALL, SMCDConfig, system_config
from smcd_core.training.pretrain import small_autoencoder, small_text_encoder
from smcd_core.weights.checkpoint import write_checkpoint
from smcd_core.weights.components import pack_components

CONFIG = system_config("zc+gca", SMALL, coverage_bias=True)
DEFAULTS = {"width": 64, "height": 64, "frames": 4, "fps": 8, "steps": 4, "text": 3.0}


def write_small_bundle(path: Path, config: SMCDConfig = CONFIG, seed: int = 0, **defaults: float) -> Path:
    torch.manual_seed(seed)
    packed = pack_components(small_autoencoder(config.latent_channels).eval(), small_text_encoder().eval())
    write_checkpoint(path, config, tiny_smcd(config).state_dict(), **packed, info={"defaults": DEFAULTS | defaults})
    return path
