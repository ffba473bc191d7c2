"""Configuration of an SMCD network: sizes, parts, and the systems that the paper compares."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from ..errors import SMCDError

MAX_COUNT = 65536  # of channels, blocks and such: numbers beyond it come from damaged files
MAX_LEVELS = 16


class ConfigError(SMCDError):
    """A configuration that no network can be built from."""


@dataclass(frozen=True)
class SMCDConfig:
    """Sizes and parts of the networks. The defaults are the released model.

    Raises ConfigError for values that fit no network. Source: SPEC, sections 1, 2 and 5.
    """

    # Backbone: ModelScope text-to-video.
    latent_channels: int = 4
    model_channels: int = 320
    channel_mult: tuple[int, ...] = (1, 2, 4, 4)
    num_res_blocks: int = 2
    attention_scales: tuple[float, ...] = (1.0, 0.5, 0.25)  # levels with transformers, by their scale of the latent
    num_heads: int = 8  # of the first temporal transformer, whose width is num_heads * head_dim
    head_dim: int = 64
    context_dim: int = 1024  # width of text, box and image tokens
    norm_groups: int = 32  # of every group norm; a narrow network needs fewer, so that a group has several channels
    dropout: float = 0.1  # in training only

    # MIM
    boxes: bool = True
    phrase_dim: int = 1024
    box_slots: int = 8  # boxes per frame in training; missing ones are null tokens
    box_coverage_bias: bool = False  # not in the paper: boxes attract attention where they cover the image

    # DIIM
    first_frame_concat: bool = True
    image_tokens: Literal["none", "serial", "parallel"] = "serial"
    image_encoder_channels: tuple[int, ...] = (256, 512, 1024, 1024)
    image_encoder_blocks: int = 3
    control: bool = False

    # Diffusion
    prediction: Literal["epsilon", "v"] = "epsilon"

    def __post_init__(self):
        for name in _COUNTS:
            for value in _values(getattr(self, name)):
                if type(value) is not int or not 0 < value <= MAX_COUNT:
                    raise ConfigError(f"{name} is {value!r}, expected 1 to {MAX_COUNT}")
        for name in ("channel_mult", "image_encoder_channels"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is empty, expected one number for each level")
        for scale in self.attention_scales:
            if scale not in [2.0**-level for level in range(MAX_LEVELS)]:
                raise ConfigError(f"attention_scales has {scale!r}, expected scales of levels: 1.0, 0.5, 0.25, ...")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout!r}, expected 0 to less than 1")
        if self.image_tokens not in ("none", "serial", "parallel"):
            raise ConfigError(f"image_tokens is {self.image_tokens!r}, expected 'none', 'serial' or 'parallel'")
        if self.prediction not in ("epsilon", "v"):
            raise ConfigError(f"prediction is {self.prediction!r}, expected 'epsilon' or 'v'")
        if self.image_tokens != "none" and not self.boxes:
            raise ConfigError("image_tokens needs boxes=True: the image gate is part of the box gate's module")
        if self.box_coverage_bias and not self.boxes:
            raise ConfigError("box_coverage_bias needs boxes=True")
        for name in ("norm_groups", "head_dim"):
            if self.model_channels % getattr(self, name):
                raise ConfigError(
                    f"model_channels is {self.model_channels}, expected a multiple of {name} {getattr(self, name)}"
                )

    @property
    def conditions(self) -> frozenset[str]:
        """Conditions that the system uses: "text", and "boxes" and "image" if it has the parts for them."""
        sees_image = self.first_frame_concat or self.image_tokens != "none" or self.control
        return frozenset(["text"] + ["boxes"] * self.boxes + ["image"] * sees_image)

    @property
    def in_channels(self) -> int:
        """Channels of the UNet's input: noisy latents, then the first frame's latent where that is concatenated."""
        return self.latent_channels * (2 if self.first_frame_concat else 1)

    @property
    def stride(self) -> int:
        """Height and width of the latents must be divisible by this."""
        return 2 ** (len(self.channel_mult) - 1)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SMCDConfig:
        """Read what to_json wrote. Raises ConfigError for anything else, and for values that fit no network."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"the configuration is not JSON: {error}") from None
        if not isinstance(values, dict):
            raise ConfigError(f"the configuration is a {type(values).__name__}, expected an object")
        defaults = {field.name: getattr(RELEASED, field.name) for field in fields(cls)}
        unknown = sorted(set(values) - set(defaults))
        if unknown:
            raise ConfigError(f"unknown configuration fields {unknown}; was the file written by a newer version?")
        return cls(**{name: _like(name, value, defaults[name]) for name, value in values.items()})


def _like(name: str, value: object, default: object) -> Any:
    """`value` with the type of `default`; JSON has no tuples and may write 1.0 as 1."""
    if isinstance(default, tuple) and isinstance(value, list) and value:
        return tuple(_like(name, item, default[0]) for item in value)
    if isinstance(default, float) and type(value) is int and abs(value) < 2**53:  # larger ones overflow, or change
        return float(value)
    if type(value) is not type(default):
        raise ConfigError(f"{name} is {value!r}, expected a {type(default).__name__}")
    return value


def _values(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


_COUNTS = [field.name for field in fields(SMCDConfig) if field.type in ("int", "tuple[int, ...]")]

RELEASED = SMCDConfig()

SYSTEMS = {
    "backbone": dict(boxes=False, first_frame_concat=False, image_tokens="none", control=False),
    "mim": dict(boxes=True, first_frame_concat=False, image_tokens="none", control=False),
    "zc": dict(boxes=True, first_frame_concat=True, image_tokens="none", control=False),
    "gca": dict(boxes=True, first_frame_concat=False, image_tokens="serial", control=False),
    "zc+gca": dict(boxes=True, first_frame_concat=True, image_tokens="serial", control=False),  # the released SMCD
    "ctrlnet": dict(boxes=True, first_frame_concat=False, image_tokens="none", control=True),
    "zc+ctrlnet": dict(boxes=True, first_frame_concat=True, image_tokens="none", control=True),
    "parallel": dict(boxes=True, first_frame_concat=True, image_tokens="parallel", control=False),
}


def system_name(config: SMCDConfig) -> str | None:
    """The name in SYSTEMS, or None for a combination that the paper does not compare."""
    return next((name for name, parts in SYSTEMS.items() if asdict(config) | parts == asdict(config)), None)


# The bundled network: all parts of the released model, small. models/README.md says where it differs.
SMALL: dict[str, Any] = dict(
    model_channels=32,
    channel_mult=(1, 2, 3),
    num_res_blocks=1,
    attention_scales=(1.0, 0.5, 0.25),
    num_heads=2,
    head_dim=16,
    context_dim=128,
    norm_groups=8,
    dropout=0.05,
    phrase_dim=128,
    box_slots=4,
    image_encoder_channels=(32, 64, 128),
    image_encoder_blocks=1,
    prediction="v",
)


def system_config(system: str, sizes: dict[str, Any], coverage_bias: bool = False) -> SMCDConfig:
    """The configuration of one of SYSTEMS. `sizes` are fields of SMCDConfig: SMALL, or {} for the released sizes."""
    if system not in SYSTEMS:
        raise ConfigError(f"system is {system!r}, expected one of {', '.join(SYSTEMS)}")
    parts: dict[str, Any] = SYSTEMS[system]
    return SMCDConfig(**(sizes | parts | dict(box_coverage_bias=coverage_bias and parts["boxes"])))
