"""Tensor names in each layout of SMCD's weights, and the configuration that names and shapes imply."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from ..errors import SMCDError
from ..networks.config import SMCDConfig

Shapes = Mapping[str, tuple[int, ...]]


class LayoutError(SMCDError):
    """Names and shapes that fit no configuration."""


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


# Layout --------------------------------------------------------------------------------------------------------------

LORA = "a LoRA (give it beside a checkpoint, with --lora)"
# The first pattern that occurs in any name decides.
_SIGNS = {
    LORA: r"lora_|\.lora\.|lokr_|hada_w",
    "smcd": r"^unet\.input_blocks\.",
    "diffusers": r"\.temp_convs\.",
    "control_net": r"^(zero_convs|input_hint_block)\.",
    "unet": r"\.temopral_conv\.",
    "box_encoder": r"^null_(positive|position)_feature$",
    "image_encoder": r"^body\.\d+\.in_conv\.",
    "Stable Video Diffusion": r"temporal_res_block|time_stack|time_mix",
    "an AnimateDiff motion module": r"motion_modules\.",
    "a Stable Diffusion network for images": r"^(model\.diffusion_model\.)?input_blocks\.|^down_blocks\.\d+\.resnets\.",
    "an image autoencoder (VAE)": r"^(first_stage_model\.)?(encoder|decoder)\.(conv_in|down|up)",
    "a text encoder": r"token_embedding|^text_model\.|transformer\.resblocks\.",
}


def detect_layout(names: Iterable[str]) -> str:
    """Tell what the tensors of one file are, from their names.

    returns smcd, diffusers, unet, box_encoder, image_encoder or control_net; for anything else a description for people
    """
    names = list(names)
    for kind, sign in _SIGNS.items():
        if any(re.search(sign, name) for name in names):
            return kind
    return f"an unknown network of {len(names)} tensors, the first is {names[0]!r}" if names else "no tensors"


# Released names ------------------------------------------------------------------------------------------------------

_GATE = re.compile(r"(.*\.)?gate_attn\.(.+)")
_OUR_GATE = re.compile(r"(.*\.)?(box|image)_(gate|beta)(?:\.(.+))?")
_IMAGE_GATE = {
    "v_linear": "linear",
    "cross_attn": "attn",
    "cross_ff": "ff",
    "cross_norm1": "norm1",
    "cross_norm2": "norm2",
    "cross_alpha_attn": "alpha_attn",
    "cross_alpha_dense": "alpha_dense",
}
_BETAS = {"beta_g": "box_beta", "beta_v": "image_beta"}
_RELEASED_IMAGE_GATE = {ours: released for released, ours in _IMAGE_GATE.items()}
_RELEASED_BETAS = {ours: released for released, ours in _BETAS.items()}


def split_gates(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename released tensors to ours: one gate module becomes box_gate and image_gate."""
    return {_split_gate(name): value for name, value in state_dict.items()}


def join_gates(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename our tensors to the released names; the inverse of split_gates."""
    return {released_name(name): value for name, value in state_dict.items()}


def _split_gate(name: str) -> str:
    match = _GATE.fullmatch(name)
    if not match:
        return name
    prefix, (first, *rest) = match[1] or "", match[2].split(".")
    if first in _BETAS:
        return prefix + _BETAS[first]
    if first in _IMAGE_GATE:
        return ".".join([f"{prefix}image_gate", _IMAGE_GATE[first], *rest])
    return f"{prefix}box_gate.{match[2]}"


def released_name(name: str) -> str:
    """Released name of one of our tensors."""
    match = _OUR_GATE.fullmatch(name)
    if not match:
        return name
    prefix, gate, layer, inside = match[1] or "", match[2], match[3], match[4]
    if layer == "beta":
        return f"{prefix}gate_attn.{_RELEASED_BETAS[f'{gate}_beta']}"
    if gate == "box":
        return f"{prefix}gate_attn.{inside}"
    first, *rest = inside.split(".")
    return ".".join([f"{prefix}gate_attn", _RELEASED_IMAGE_GATE[first], *rest])


# Names of diffusers' UNet3DConditionModel ----------------------------------------------------------------------------

_DIFFUSERS_ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "input_blocks.0.1": "transformer_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_DIFFUSERS_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}


def is_conv1d(shape: tuple[int, ...]) -> bool:
    """Whether a tensor is a convolution of width 1, [O, I, 1], which diffusers has as a linear layer, [O, I]."""
    return len(shape) == 3


def diffusers_names(config: SMCDConfig, names: Iterable[str]) -> dict[str, str]:
    """Names in diffusers by our names, which begin with unet."""
    return {name: diffusers_name(name.removeprefix("unet."), config.num_res_blocks) for name in names}


def diffusers_name(name: str, num_res_blocks: int) -> str:
    """Name in diffusers of a backbone tensor; a one-to-one mapping."""
    for ours, theirs in _DIFFUSERS_ENDS.items():
        if name.startswith(ours + "."):
            return theirs + name.removeprefix(ours)
    match = re.fullmatch(r"(input|middle|output)_blocks?\.(\d+)\.(.+)", name)
    if match is None:
        raise LayoutError(f"{name} is not a tensor of the backbone")
    half, index, rest = match.groups()
    if half == "middle":
        block, number, layer = "mid_block", int(index) // 3, str(int(index) % 3)
    else:
        first, side = (1, "down") if half == "input" else (0, "up")
        level, number = divmod(int(index) - first, num_res_blocks + 1)
        block = f"{side}_blocks.{level}"
        layer, rest = rest.split(".", 1)
    if layer == "op":
        return f"{block}.downsamplers.0.conv.{rest}"
    if rest.startswith("conv."):
        return f"{block}.upsamplers.0.{rest}"
    if int(layer) > 0:
        return f"{block}.{'attentions' if int(layer) == 1 else 'temp_attentions'}.{number}.{rest}"
    if rest.startswith("temopral_conv."):
        return f"{block}.temp_convs.{number}.{rest.removeprefix('temopral_conv.')}"
    module, kind = rest.rsplit(".", 1)
    return f"{block}.resnets.{number}.{_DIFFUSERS_RESNET[module]}.{kind}"


# Configuration from names and shapes ---------------------------------------------------------------------------------

HEADS = 8  # of the first temporal transformer, in ModelScope, diffusers and the released SMCD alike


def released_config(unet: Shapes, box_encoder: Shapes | None = None, image_encoder: Shapes | None = None) -> SMCDConfig:
    """Infer the configuration of networks with the released names.

    Shapes do not give the number of norm groups, the prediction type and the head width: the first two are taken as
    released (32, epsilon), the last follows from the 8 heads of the first temporal transformer. Raises LayoutError.
    """
    last = _highest(unet, r"input_blocks\.(\d+)\.")
    downsamples = [int(m[1]) for name in unet if (m := re.match(r"input_blocks\.(\d+)\.op\.", name))]
    num_res_blocks = min(downsamples, default=last + 1) - 1
    gate = {m[2].split(".")[0] for name in unet if (m := _GATE.fullmatch(name))}
    image_tokens = "parallel" if gate & set(_BETAS) else "serial" if gate & set(_IMAGE_GATE) else "none"
    parts: dict[str, Any] = dict(boxes=bool(gate), image_tokens=image_tokens, box_coverage_bias="coverage_bias" in gate)
    if box_encoder is not None:
        parts["phrase_dim"] = _size(box_encoder, "null_positive_feature", 0)
    if image_encoder is not None:
        parts |= _image_encoder_config(image_encoder)
    return _config(unet, (last + 1) // (num_res_blocks + 1), num_res_blocks, lambda name: name, **parts)


def diffusers_config(unet: Shapes, **known: int) -> SMCDConfig:
    """Infer the configuration of a backbone with the names of diffusers.

    known  head_dim and norm_groups, where they are not as released

    Raises LayoutError.
    """
    levels = _highest(unet, r"down_blocks\.(\d+)\.") + 1
    num_res_blocks = _highest(unet, r"down_blocks\.0\.resnets\.(\d+)\.") + 1

    def rename(name: str) -> str:
        return diffusers_name(name, num_res_blocks)

    return _config(unet, levels, num_res_blocks, rename, boxes=False, image_tokens="none", **known)


def _config(unet: Shapes, levels: int, num_res_blocks: int, rename: Callable[[str], str], **known: Any) -> SMCDConfig:
    def size(name: str, axis: int) -> int:
        return _size(unet, rename(name), axis)

    if num_res_blocks < 1 or levels < 1:
        raise LayoutError("the encoder has no residual blocks")
    channels, latent = size("input_blocks.0.0.weight", 0), size("out.2.weight", 0)
    in_channels = size("input_blocks.0.0.weight", 1)
    if in_channels not in (latent, 2 * latent):
        raise LayoutError(
            f"the input has {in_channels} channels, expected {latent}, or {2 * latent} with a first frame"
        )
    mult, attention_scales = [], []
    for level in range(levels):
        block = f"input_blocks.{1 + level * (num_res_blocks + 1)}"
        width = size(f"{block}.0.in_layers.2.weight", 0)
        if not channels or width % channels:
            raise LayoutError(f"level {level} is {width} channels wide, expected a multiple of {channels}")
        mult.append(width // channels)
        if any(rename(f"{block}.1.{layer}.weight") in unet for layer in ("norm", "proj_in", "proj_out")):
            attention_scales.append(2.0**-level)
    inner = size("input_blocks.0.1.proj_in.weight", 0)
    head_dim = known.pop("head_dim", inner // HEADS)
    if head_dim < 1 or inner % head_dim:
        raise LayoutError(f"the first temporal transformer is {inner} wide, not a multiple of {head_dim or HEADS}")
    return SMCDConfig(
        latent_channels=latent,
        model_channels=channels,
        channel_mult=tuple(mult),
        num_res_blocks=num_res_blocks,
        attention_scales=tuple(attention_scales),
        num_heads=inner // head_dim,
        head_dim=head_dim,
        context_dim=size("middle_block.1.transformer_blocks.0.attn2.to_k.weight", 1),
        first_frame_concat=in_channels == 2 * latent,
        # With a ControlNet each decoder block reads its skip twice as wide.
        control=size("output_blocks.0.0.in_layers.0.weight", 0) == 3 * channels * mult[-1],
        **known,
    )


def _image_encoder_config(shapes: Shapes) -> dict[str, object]:
    count = _highest(shapes, r"body\.(\d+)\.") + 1
    starts = sorted({0} | {int(m[1]) for name in shapes if (m := re.match(r"body\.(\d+)\.down_opt\.", name))})
    blocks = starts[1] if len(starts) > 1 else count
    channels = tuple(_size(shapes, f"body.{start}.in_conv.weight", 0) for start in starts)
    return dict(image_encoder_channels=channels, image_encoder_blocks=blocks)


def _size(shapes: Shapes, name: str, axis: int) -> int:
    if name not in shapes:
        raise LayoutError(f"tensor {name} is missing")
    if len(shapes[name]) <= axis:
        raise LayoutError(f"{name} has shape {list(shapes[name])}, expected at least {axis + 1} dimensions")
    return shapes[name][axis]


def _highest(names: Iterable[str], pattern: str) -> int:
    numbers = [int(match[1]) for name in names if (match := re.match(pattern, name))]
    if not numbers:
        raise LayoutError(f"no tensor is named like {pattern}")
    return max(numbers)
