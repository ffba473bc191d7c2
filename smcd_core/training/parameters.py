"""Which parameters a stage trains. Source: SPEC, section 12."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from ..networks.blocks import TemporalConv, TemporalTransformer
from ..networks.image import GatedCrossAttention
from ..networks.motion import BoxEncoder, GatedSelfAttention
from ..networks.smcd import SMCD
from ..networks.unet import UNet3D


def trainable_parameters(model: SMCD, stage: str, images: bool = False) -> dict[str, nn.Parameter]:
    """Parameters that a stage trains, by name. On images the temporal layers are skipped, so they are left out."""
    chosen = {id(parameter) for parameter in _parameters_of(model, stage)}
    if images:
        temporal = [m for m in model.modules() if isinstance(m, TemporalConv | TemporalTransformer)]
        chosen -= {id(p) for module in temporal for p in module.parameters()}
    return {name: p for name, p in model.named_parameters() if id(p) in chosen}


def _parameters_of(model: SMCD, stage: str) -> Iterator[nn.Parameter]:
    if stage == "all":
        yield from model.parameters()
    elif stage == "backbone":
        yield from _backbone(model)
    else:
        if stage in ("mim", "joint"):
            yield from _mim(model)
        if stage in ("diim", "joint"):
            yield from _diim(model)


def _backbone(model: SMCD) -> Iterator[nn.Parameter]:
    """The UNet without its gates."""
    for name, parameter in model.unet.named_parameters():
        if not any(part in name for part in ("box_gate.", "image_gate.", "box_beta", "image_beta")):
            yield parameter


def _mim(model: SMCD) -> Iterator[nn.Parameter]:
    for module in model.modules():
        if isinstance(module, GatedSelfAttention | BoxEncoder):
            yield from module.parameters()
    yield from _named(model, "box_beta")


def _diim(model: SMCD) -> Iterator[nn.Parameter]:
    first = model.unet.input_blocks[0]
    yield from first[0].parameters()
    for module in model.unet.modules():
        if isinstance(module, GatedCrossAttention):
            yield from module.parameters()
        # As published: the attention inside the temporal transformers, neither their norm and projections nor the
        # transformer after the first convolution.
        elif isinstance(module, TemporalTransformer) and module is not first[1]:
            yield from module.transformer_blocks.parameters()
    if model.config.image_tokens != "none":
        yield from model.image_encoder.parameters()
    if model.config.control:
        # As published: the ControlNet's copy of the encoder stays as it is.
        yield from model.control_net.zero_convs.parameters()
        yield from model.control_net.input_hint_block.parameters()
        yield from _reading_control(model.unet)
    yield from _named(model, "box_beta", "image_beta")


def _reading_control(unet: UNet3D) -> Iterator[nn.Parameter]:
    """The layers of the decoder that a ControlNet's features widen."""
    for res_block, *_ in unet.output_blocks:
        for layer in (res_block.in_layers, res_block.skip_connection):
            yield from layer.parameters()


def _named(model: SMCD, *last: str) -> Iterator[nn.Parameter]:
    """Parameters with these last names, such as the scales of the branches of the system `parallel`."""
    return (parameter for name, parameter in model.named_parameters() if name.rpartition(".")[2] in last)
