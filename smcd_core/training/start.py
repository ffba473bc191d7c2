"""Make the network that a training run starts from: new with closed branches, or from a checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, replace

import torch
from torch import Tensor, nn

from ..networks.blocks import ResBlock, SpatialTransformer, TemporalTransformer
from ..networks.config import SMCDConfig
from ..networks.image import widen_input_conv
from ..networks.smcd import SMCD
from ..networks.unet import ControlNet
from ..weights.checkpoint import Checkpoint
from .config import TrainingError

# Where box_beta starts when a serial box gate moves into the system `parallel`. That computes
# x + tanh(box_beta) * box_gate(x), where box_gate(x) contains x too: 0 would hide the boxes, and no value keeps the
# gate's effect exactly. On the bundled checkpoint the probe (right boxes, none; 6 clips) is 0.037 and 0.26 in series,
# 0.285 and 0.285 with 0, 0.078 and 0.275 with 1; larger values gain nothing and disturb the backbone more.
OPEN_BOX_BETA = 1.0


def fit_to_clips(config: SMCDConfig, example: Mapping[str, Tensor]) -> SMCDConfig:
    """The configuration with the box slots of an encoded clip, an item of EncodedClips.

    The number of slots changes what a network computes, so a checkpoint must name those that it was trained with.
    Raises TrainingError if the clip does not fit the network.
    """
    channels, height, width = example["latents"].shape[1:]
    slots, phrase_dim = example["phrases"].shape
    sizes = [
        ("latent channels", channels, "latent_channels", config.latent_channels),
        ("text features", example["text"].shape[-1], "context_dim", config.context_dim),
    ]
    if config.boxes:
        sizes.append(("phrase features", phrase_dim, "phrase_dim", config.phrase_dim))
    for what, found, name, expected in sizes:
        if found != expected:
            raise TrainingError(
                f"the clips have {found} {what}, but {name} of the network is {expected}: encode them with the "
                "components that belong to the network, or choose the network's other size"
            )
    if height % config.stride or width % config.stride:
        raise TrainingError(
            f"the latents of the clips are {width} x {height}, expected multiples of {config.stride}: encode them with "
            "other --pixels"
        )
    if not config.boxes or slots == config.box_slots:
        return config
    logging.getLogger("smcd").info("the checkpoint gets the %d box slots of the clips, not %d", slots, config.box_slots)
    return replace(config, box_slots=slots)


def check_lora_start(config: SMCDConfig, start: Checkpoint | None) -> None:
    """Raises TrainingError unless a LoRA of this network can be loaded with the checkpoint that it starts from."""
    if start is None:
        raise TrainingError("a LoRA changes a checkpoint: name the one to start from, with --init")
    ours, theirs = asdict(config), asdict(start.config)
    for name in ours:
        if ours[name] != theirs[name]:
            raise TrainingError(
                f"{name} is {ours[name]}, but {theirs[name]} in {start.path}: a LoRA needs the same network, so choose "
                "the same system and sizes, and encode the clips with its slots"
            )


@torch.no_grad()
def zero_initialise(model: SMCD) -> None:
    """Set every branch that should start without effect to zero. Source: SPEC, sections 2.10 and 6."""
    for module in model.modules():
        if isinstance(module, ResBlock):
            _zero(module.out_layers[3])
            _zero(module.temopral_conv.conv4[3])
        elif isinstance(module, SpatialTransformer | TemporalTransformer):
            _zero(module.proj_out)
        elif isinstance(module, ControlNet):
            for conv in [*module.zero_convs, module.input_hint_block]:
                _zero(conv)
    model.unet.out[2].weight.zero_()


def _zero(layer: nn.Module) -> None:
    layer.weight.zero_()
    layer.bias.zero_()


@torch.no_grad()
def start_from(model: SMCD, weights: dict[str, Tensor]) -> list[str]:
    """Copy the weights of another system into `model`; returns the names of parameters that are new.

    The input convolution is widened with zeros (ZC); a ControlNet starts as a copy of the encoder, and the decoder
    that reads it repeats the weights of its skip connections (SPEC, section 6). The scale of a box gate that is not new
    starts open, see OPEN_BOX_BETA. Raises TrainingError if a weight of the backbone is missing or of another shape.
    """
    new = []
    for name, parameter in model.named_parameters():
        source = weights.get(name)
        if source is None and name.startswith("control_net."):
            source = weights.get(name.replace("control_net.", "unet.", 1))
        if source is not None and source.shape != parameter.shape:
            source = _fit(name, source, parameter, model.config)
        if source is not None:
            parameter.copy_(source)
        elif name.endswith(".box_beta") and name.removesuffix("box_beta") + "box_gate.alpha_attn" in weights:
            parameter.fill_(OPEN_BOX_BETA)
            new.append(name)
        elif name.startswith("unet.") and not any(part in name for part in ("_gate.", "_beta")):
            raise TrainingError(f"the checkpoint to start from lacks {name}: is it of the same size?")
        else:
            new.append(name)
    return new


def _fit(name: str, source: Tensor, target: Tensor, config: SMCDConfig) -> Tensor:
    if name == "unet.input_blocks.0.0.weight" and source.shape[1] < target.shape[1]:
        return widen_input_conv(source, target.shape[1])
    if name == "control_net.input_blocks.0.0.weight" and source.shape[1] > target.shape[1]:
        return source[:, : target.shape[1]]
    axis = 0 if source.ndim == 1 else 1
    extra = target.shape[axis] - source.shape[axis]
    if config.control and name.startswith("unet.output_blocks.") and 0 < extra <= source.shape[axis]:
        return torch.cat([source, source.narrow(axis, source.shape[axis] - extra, extra)], dim=axis)
    raise TrainingError(
        f"{name} has shape {list(source.shape)} in the checkpoint to start from, expected {list(target.shape)}: "
        "start from a checkpoint of the same size"
    )


def make_model(config: SMCDConfig, start: Checkpoint | None, seed: int) -> SMCD:
    """Build the model to train: new, or with the weights of `start`, which may be of a system with fewer parts."""
    torch.manual_seed(seed)
    model = SMCD(config)
    zero_initialise(model)
    if start is not None:
        start_from(model, start.weights)
    return model
