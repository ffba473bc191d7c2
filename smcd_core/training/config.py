"""Settings of a training run: its stage and its numbers. Imports no torch, as the command line reads it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import SMCDError


class TrainingError(SMCDError):
    """A training run that cannot start or continue as asked."""


@dataclass(frozen=True)
class Stage:
    """How often a stage drops each condition. Source: SPEC, section 12.

    Each sample is dropped on its own; as published, one draw decided for a whole batch.
    """

    images: bool = False  # train on single frames, without the temporal layers
    drop_text: float = 0.0
    drop_boxes: float = 0.0
    drop_first_frame: float = 0.0  # in the input convolution
    drop_image_tokens: float = 0.0  # or the hint of a ControlNet


STAGES = {
    "backbone": Stage(drop_text=0.1),  # only for training from scratch
    "mim": Stage(images=True, drop_text=0.5, drop_boxes=0.1),
    "diim": Stage(drop_boxes=0.1, drop_first_frame=0.25, drop_image_tokens=0.1),
    "joint": Stage(drop_boxes=0.1, drop_first_frame=0.25, drop_image_tokens=0.1),  # mim and diim at once
    "all": Stage(drop_text=0.1, drop_boxes=0.1, drop_first_frame=0.25, drop_image_tokens=0.1),  # every parameter
}


OPTIMIZERS = ("adamw", "adamw8bit")
PRECISIONS = ("no", "fp16", "bf16")


@dataclass(frozen=True)
class TrainingConfig:
    """One training run; saved inside the checkpoint.

    Raises TrainingError for a value out of range.
    """

    stage: str
    steps: int
    batch_size: int = 4  # clips (or images) of each process and step
    accumulation: int = 1
    lr: float = 5e-5
    warmup: int = 0  # steps
    cosine: bool = False  # fall to a fiftieth of lr at the last step
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 1e-2
    optimizer: str = "adamw"  # or adamw8bit, whose moments take a quarter of the memory
    clip_norm: float = 1.0  # largest norm of the gradient
    ema: float = 0.0  # decay of the average of the weights; 0 keeps no average
    object_weight: float = 1.0  # of the loss inside boxes; 1 as published
    timestep_power: float = 1.0  # t = 1000 u^power: below 1 prefers noisy steps; 1 as published
    lora: int = 0  # rank of a LoRA of what the stage trains; 0 trains the weights themselves
    # Instead of the stage's own values, where they are given:
    images: bool | None = None
    drop_text: float | None = None
    drop_boxes: float | None = None
    drop_first_frame: float | None = None
    drop_image_tokens: float | None = None
    checkpointing: bool = False  # recompute activations to save memory
    mixed_precision: str = "no"
    frozen_dtype: str = "no"  # of layers that do not train: bf16 or fp16 takes half their memory
    save_every: int = 1000
    keep_every: int = 0  # steps between checkpoints that later ones do not replace; 0 keeps only the newest
    validate_every: int = 1000
    workers: int = 0  # processes that read clips ahead
    shards_at_once: int = 0  # files of 128 clips to draw from at a time, for data that is streamed; 0: from all
    seed: int = 33

    def __post_init__(self):
        if self.stage not in STAGES:
            raise TrainingError(f"stage is {self.stage!r}, expected one of {', '.join(STAGES)}")
        for name, choices in (
            ("optimizer", OPTIMIZERS),
            ("mixed_precision", PRECISIONS),
            ("frozen_dtype", PRECISIONS),
        ):
            if getattr(self, name) not in choices:
                raise TrainingError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(choices)}")
        for name in ("steps", "batch_size", "accumulation", "save_every", "validate_every"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}, expected 1 or more")
        for name in ("lr", "clip_norm", "object_weight", "timestep_power"):
            if not 0 < getattr(self, name) < math.inf:
                raise TrainingError(f"{name} is {getattr(self, name)}, expected a number above 0")
        if self.frozen_dtype not in ("no", self.mixed_precision):
            raise TrainingError(
                f"frozen_dtype is {self.frozen_dtype}, but mixed_precision is {self.mixed_precision}: choose the same"
            )
        for name in ("warmup", "weight_decay", "seed", "lora", "keep_every", "workers", "shards_at_once"):
            if not 0 <= getattr(self, name) < math.inf:
                raise TrainingError(f"{name} is {getattr(self, name)}, expected 0 or more")
        if self.seed >= 2**63:
            raise TrainingError(f"seed is {self.seed}, expected less than 2**63")
        if not 0 <= self.ema < 1:
            raise TrainingError(f"ema is {self.ema}, expected 0 or more and below 1")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise TrainingError(f"betas is {self.betas}, expected two numbers of 0 or more and below 1")
        for name in ("drop_text", "drop_boxes", "drop_first_frame", "drop_image_tokens"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise TrainingError(f"{name} is {value}, expected a share from 0 to 1")

    @property
    def effective_stage(self) -> Stage:
        """The stage, with this run's own values in place of the stage's."""
        own = {name: getattr(self, name) for name in asdict(STAGES[self.stage])}
        return replace(STAGES[self.stage], **{name: value for name, value in own.items() if value is not None})


@dataclass(frozen=True)
class Preset:
    """A configuration of the paper: a system, its training, and the size of its clips."""

    system: str
    training: TrainingConfig
    frames: int = 8
    pixels: int = 256  # side of a frame
    slots: int = 8  # boxes per frame


# Source: SPEC, section 12. The authors publish 60,000 steps for stage 2, and for stage 1 only the limit of 200,000.
_COMMON: dict[str, Any] = dict(mixed_precision="fp16", save_every=10_000, validate_every=10_000)
_STAGE1 = Preset("mim", TrainingConfig("mim", 200_000, batch_size=64, lr=3e-5, **_COMMON), frames=1, slots=30)
_STAGE2 = TrainingConfig("diim", 60_000, batch_size=4, accumulation=4, lr=5e-5, **_COMMON)

PRESETS = {
    # Not in the paper, whose backbone is ModelScope's: the settings of stage 2, to train a backbone further.
    "backbone": Preset("backbone", replace(_STAGE2, stage="backbone")),
    "stage1": _STAGE1,
    "mim": _STAGE1,
    "stage2": Preset("zc+gca", _STAGE2),
    "joint": Preset("zc+gca", replace(_STAGE2, stage="joint")),
    **{system: Preset(system, _STAGE2) for system in ("zc", "gca", "zc+gca", "ctrlnet", "zc+ctrlnet", "parallel")},
}
