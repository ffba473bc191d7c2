"""Where a training run starts: new weights with closed branches, or those of a system with fewer parts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..networks.blocks import ResBlock, SpatialTransformer, TemporalTransformer
from ..networks.config import SMCDConfig
from ..networks.image import widen_input_conv
from ..networks.smcd import SMCD
from ..networks.unet import ControlNet
from ..weights.checkpoint import Checkpoint
from .config import TrainingError


@torch.no_grad()
def zero_initialise(model: SMCD) -> None:
    """Close every branch that should start without effect. Source: SPEC, section 2.10 and 6."""
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
    """Copy weights of another system into `model`; returns the names that start new.

    The input convolution is widened with zeros (ZC); a ControlNet starts as a copy of the encoder, and the decoder
    that reads it repeats the weights of its skip connections (SPEC, section 6). Raises TrainingError if a weight of
    the backbone is missing or of another shape.
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
    """A model to train: new, or with the weights of `start`, which may be of a system with fewer parts."""
    torch.manual_seed(seed)
    model = SMCD(config)
    zero_initialise(model)
    if start is not None:
        start_from(model, start.weights)
    return model
