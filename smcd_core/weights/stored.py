"""Check the configuration of a VAE or text encoder that comes with its weights, before anything is built from it.

A configuration of a few bytes could ask for any amount of memory, or make the libraries do other things than build. So
only known fields pass, each in its range, and layers and widths must be those that the weights have.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .checkpoint import Checkpoint, CheckpointError, read_checkpoint
from .layouts import Shapes, shapes_of

Check = Callable[[Any], bool]


def _whole(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def _number(low: float, high: float) -> Check:
    return lambda value: type(value) in (int, float) and low <= value <= high


def _one_of(*values: Any) -> Check:
    return lambda value: any(value is one or value == one for one in values)


def _list_of(check: Check, longest: int) -> Check:
    return lambda value: isinstance(value, (list, tuple)) and 0 < len(value) <= longest and all(map(check, value))


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


_FLAG = _one_of(True, False)
_TOKEN = _or_none(_whole(-1, 2**20))
_TEXT = {
    "vocab_size": _whole(2, 2**20),
    "hidden_size": _whole(1, 2**14),
    "intermediate_size": _whole(1, 2**16),
    "projection_dim": _whole(1, 2**16),
    "num_hidden_layers": _whole(1, 256),
    "num_attention_heads": _whole(1, 256),
    "max_position_embeddings": _whole(3, 2**14),
    "hidden_act": _one_of("gelu", "quick_gelu"),
    "layer_norm_eps": _number(1e-12, 1),
    "attention_dropout": _number(0, 1),
    "initializer_range": _number(0, 100),
    "initializer_factor": _number(0, 100),
    "pad_token_id": _TOKEN,
    "bos_token_id": _TOKEN,
    "eos_token_id": _TOKEN,
}
_LEVELS, _LATENTS = 8, 256
_VAE = {
    "in_channels": _one_of(3),
    "out_channels": _one_of(3),
    "down_block_types": _list_of(_one_of("DownEncoderBlock2D"), _LEVELS),
    "up_block_types": _list_of(_one_of("UpDecoderBlock2D"), _LEVELS),
    "block_out_channels": _list_of(_whole(1, 2**13), _LEVELS),
    "layers_per_block": _whole(1, 64),
    "act_fn": _one_of("silu"),
    "latent_channels": _whole(1, _LATENTS),
    "norm_num_groups": _whole(1, 2**13),
    "sample_size": lambda value: _whole(1, 2**16)(value) or _list_of(_whole(1, 2**16), 2)(value),
    "scaling_factor": _number(1e-6, 1e6),
    "shift_factor": _or_none(_number(-1e6, 1e6)),
    "latents_mean": _or_none(_list_of(_number(-1e6, 1e6), _LATENTS)),
    "latents_std": _or_none(_list_of(_number(-1e6, 1e6), _LATENTS)),
    "force_upcast": _FLAG,
    "use_quant_conv": _FLAG,
    "use_post_quant_conv": _FLAG,
    "mid_block_add_attention": _FLAG,
}
# What the libraries write beside these and nothing is built from.
_REMARKS = (
    "_class_name", "_diffusers_version", "_name_or_path", "architectures", "dropout", "dtype", "model_type",
    "torch_dtype", "transformers_version",
)  # fmt: skip


def text_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a CLIP text model is built from. Raises CheckpointError for a value out of its range."""
    return _in_range(config, _TEXT)


def vae_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that an AutoencoderKL is built from. Raises CheckpointError for a value out of its range."""
    return _in_range(config, _VAE)


def check_text(config: Mapping[str, Any], shapes: Shapes) -> None:
    """Raise CheckpointError unless the text model has the layers and widths of its weights.

    shapes  by names as in transformers 5, without `text_model.`
    """
    settings = text_settings(config)
    expected = {
        "embeddings.token_embedding.weight": ("vocab_size", "hidden_size"),
        "embeddings.position_embedding.weight": ("max_position_embeddings", "hidden_size"),
    }
    for name, fields in expected.items():
        wanted = tuple(_given(settings, field) for field in fields)
        if shapes.get(name) != wanted:
            raise CheckpointError(
                f"{name} has shape {list(shapes.get(name, ()))}, its configuration says {list(wanted)}"
            )
    inner = _given(settings, "intermediate_size"), settings["hidden_size"]
    layers = sum(name.endswith(".mlp.fc1.weight") and shape == inner for name, shape in shapes.items())
    if layers != _given(settings, "num_hidden_layers"):
        number = settings["num_hidden_layers"]
        raise CheckpointError(f"has {layers} layers of {inner[0]} x {inner[1]}, its configuration says {number}")


def check_vae(config: Mapping[str, Any], shapes: Shapes) -> None:
    """Raise CheckpointError unless the weights have the layers and widths of the VAE, whatever they are called."""
    settings = vae_settings(config)
    widths, layers = _given(settings, "block_out_channels"), _given(settings, "layers_per_block")
    found = Counter(shape for shape in shapes.values() if len(shape) == 4)
    # Each residual block ends with a convolution from its width to its width; the decoder has one block more.
    for width, levels in Counter(widths).items():
        needed = levels * (2 * layers + 1)
        if found[width, width, 3, 3] < needed:
            there = found[width, width, 3, 3]
            raise CheckpointError(f"has {there} convolutions of width {width}, its configuration needs {needed}")
    groups = settings.get("norm_num_groups", 32)
    if any(width % groups for width in widths):
        raise CheckpointError(f"norm_num_groups is {groups}, expected a divisor of {list(widths)}")


def check_components(checkpoint: Checkpoint) -> None:
    """Raise CheckpointError if a VAE or text encoder inside a checkpoint is not to be built."""
    for component, check in ((checkpoint.vae, check_vae), (checkpoint.text_encoder, check_text)):
        if component is None:
            continue
        try:
            _refuse_unknown(component.config)
            check(component.config, shapes_of(component.weights))
        except CheckpointError as error:
            raise cannot_be_built(checkpoint, error) from None


def cannot_be_built(checkpoint: Checkpoint, error: Exception) -> CheckpointError:
    reason = " ".join(str(error).split())[:200]
    return CheckpointError(
        f"{checkpoint.path}: the VAE or text encoder inside it cannot be built ({reason}). Get the original file"
    )


def _refuse_unknown(config: Mapping[str, Any]) -> None:
    unknown = [name for name in config if name not in (*_TEXT, *_VAE, *_REMARKS)]
    if unknown:
        raise CheckpointError(f"unknown field {str(unknown[0])[:60]!r} in its configuration")


def _in_range(config: Mapping[str, Any], fields: Mapping[str, Check]) -> dict[str, Any]:
    settings = {name: config[name] for name in fields if name in config}
    for name, value in settings.items():
        if not fields[name](value) or (isinstance(value, float) and not math.isfinite(value)):
            raise CheckpointError(f"{name} is {str(value)[:60]}, which is out of range")
    return settings


def _given(settings: Mapping[str, Any], name: str) -> Any:
    if name not in settings:
        raise CheckpointError(f"its configuration has no {name}")
    return settings[name]


def size_multiple(checkpoint: Checkpoint, components: Path | None = None) -> int:
    """The number of pixels that width and height of a video must be divisible by, without building a network.

    components  as `load_components` takes it. Where no VAE can be read, the UNet alone counts; loading says why
    """
    return checkpoint.config.stride * 2 ** (len(_vae_levels(checkpoint, components)) - 1)


def _vae_levels(checkpoint: Checkpoint, components: Path | None) -> list[Any]:
    """One entry for each level of the VAE; a single one if there is none."""
    folder = components or checkpoint.path
    try:
        if components is not None and components.is_file():
            checkpoint = read_checkpoint(components)
        elif (file := folder / "vae" / "config.json").is_file():
            return list(json.loads(file.read_text(encoding="utf-8"))["block_out_channels"])
        return list(checkpoint.vae.config["block_out_channels"]) if checkpoint.vae else [1]
    except (OSError, ValueError, KeyError, TypeError, CheckpointError):
        return [1]
