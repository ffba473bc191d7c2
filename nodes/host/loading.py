"""Load the model and the VAE of a checkpoint into the host's handles."""

from __future__ import annotations

from pathlib import Path

import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.utils
import torch

from ...smcd_core.weights.checkpoint import Checkpoint, CheckpointError
from ...smcd_core.weights.lora import read_lora
from .model import ModelConfig, SMCDModel
from .preview import FittedLatents
from .saved import read_any_checkpoint

HOST_NORM_GROUPS = 32  # of all group norms of the host's VAE
HOST_VAE_CHANNELS = 128  # of Stable Diffusion's VAE, which the host's memory estimate and previews assume


def load_model(
    path: str,
    weight_dtype: torch.dtype | None = None,
    disable_dynamic: bool = False,
    checkpoint: Checkpoint | None = None,
):
    """Load an SMCDModel, and return the host's handle on it, a ModelPatcher.

    weight_dtype  None: the host chooses
    checkpoint    content of the file, if it has been read already
    """
    checkpoint = checkpoint or read_any_checkpoint(path)
    weights = {name.removeprefix("unet."): tensor for name, tensor in checkpoint.weights.items()}
    management = comfy.model_management
    size, device = comfy.utils.calculate_parameters(weights), management.get_torch_device()
    config = ModelConfig(checkpoint)
    if checkpoint.vae is not None:
        scale = checkpoint.vae.config["scaling_factor"]
        config.latent_format.scale_factor = scale
        if checkpoint.vae.config["block_out_channels"][0] != HOST_VAE_CHANNELS:
            channels = checkpoint.config.latent_channels
            config.latent_format = FittedLatents(lambda pictures: load_vae(path).encode(pictures), scale, channels)
    supported = config.supported_inference_dtypes
    dtype = weight_dtype or management.unet_dtype(
        model_params=size, supported_dtypes=supported, weight_dtype=comfy.utils.weight_dtype(weights)
    )
    config.set_inference_dtype(dtype, management.unet_manual_cast(dtype, device, supported))
    model = SMCDModel(config, checkpoint, device=management.unet_inital_load_device(size, dtype))
    # Looked up here: the host replaces the class after it has imported packs.
    patchers = comfy.model_patcher
    patcher_class = patchers.ModelPatcher if disable_dynamic else patchers.CoreModelPatcher
    patcher = patcher_class(model, load_device=device, offload_device=management.unet_offload_device())
    model.load_model_weights(weights, "", assign=patcher.is_dynamic())
    patcher.cached_patcher_init = (load_model, (path, weight_dtype))
    return patcher


def with_lora(patcher, path: Path, strength: float, checkpoint: Checkpoint):
    """The handle with a LoRA as patches, as the host's nodes add them. Raises CheckpointError if it does not fit."""
    read_lora(path, checkpoint.weights)  # the host would only log what has no place
    tensors = comfy.utils.load_torch_file(str(path), safe_load=True)
    return comfy.sd.load_lora_for_models(patcher, None, tensors, strength, 0)[0]


def load_vae(path: str, checkpoint: Checkpoint | None = None) -> comfy.sd.VAE:
    """Load the VAE inside a checkpoint. Raises CheckpointError if the host cannot build it."""
    checkpoint = checkpoint or read_any_checkpoint(path)
    config = checkpoint.vae.config
    channels = config["block_out_channels"]
    if len(channels) != 4 or any(width % HOST_NORM_GROUPS for width in channels):
        raise CheckpointError(
            f"{path}: has a VAE of {channels} channels inside, ComfyUI takes four multiples of {HOST_NORM_GROUPS}: use "
            "another VAE, with Load VAE"
        )
    settings = {
        "double_z": True,
        "z_channels": config["latent_channels"],
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "ch": channels[0],
        "ch_mult": [width // channels[0] for width in channels],
        "num_res_blocks": config["layers_per_block"],
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    params = {"ddconfig": settings, "embed_dim": config["latent_channels"]}
    vae = comfy.sd.VAE(sd=dict(checkpoint.vae.weights), config={"params": params})
    vae.latent_channels = config["latent_channels"]  # the host reads it only from files that it recognizes
    for module in vae.first_stage_model.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.num_groups = config["norm_num_groups"]
    scale = channels[0] / HOST_VAE_CHANNELS
    encode, decode = vae.memory_used_encode, vae.memory_used_decode
    vae.memory_used_encode = lambda shape, dtype: scale * encode(shape, dtype)
    vae.memory_used_decode = lambda shape, dtype: scale * decode(shape, dtype)
    vae.patcher.cached_patcher_init = (_load_vae_patcher, (path,))
    return vae


def _load_vae_patcher(path: str, disable_dynamic: bool = False):
    """Load a VAE's patcher; like the host's own factory it ignores `disable_dynamic`."""
    return load_vae(path).patcher
