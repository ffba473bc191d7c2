"""smcd train: train one stage, from nothing or from a checkpoint."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SMCDError
from ..networks.config import SMALL, SYSTEMS, system_config
from ..terminal import say
from ..training.config import OPTIMIZERS, PRECISIONS, PRESETS, STAGES, Preset, TrainingConfig
from .arguments import number, whole

if TYPE_CHECKING:
    from ..training.encoded import EncodedClips


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = "Runs under `accelerate launch` too."
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--preset", choices=PRESETS, help="a configuration of the paper; other options override it")
    what.add_argument("--stage", choices=STAGES, help="what to train, with the options' defaults")
    parser.add_argument("--system", choices=SYSTEMS, help="what to build (default: the preset's, else zc+gca: SMCD)")
    parser.add_argument("--small", action="store_true", help="sizes of the bundled checkpoint, not of the released one")
    parser.add_argument(
        "--coverage-bias", action="store_true", help="weigh boxes by the share of a cell that they cover"
    )
    parser.add_argument(
        "--data",
        action=_Place,
        required=True,
        help="folder that `smcd encode` wrote, or a URL with its files, such as hf://datasets/OWNER/NAME: then "
        "--shards-at-once are fetched and kept in memory",
    )
    parser.add_argument("--init", type=Path, help="checkpoint whose weights to start from")
    parser.add_argument("--out", type=Path, required=True, help="run folder; an unfinished run in it is resumed")
    add_log_options(parser)
    add_training_options(parser)
    parser.set_defaults(run=_train, extra="train")


class _Place(argparse.Action):
    """Keep a folder or a URL; only a URL may use the network."""

    def __call__(self, parser, namespace, value, option_string=None) -> None:  # noqa: ANN001 - argparse's
        namespace.data, namespace.may_fetch = value, "://" in value


def add_log_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--validation", type=Path, help="a folder like DATA, for the box probe and for samples")
    parser.add_argument(
        "--components",
        type=Path,
        help="folder with vae/, or a checkpoint: sample the validation clips into OUT/samples",
    )
    parser.add_argument("--tensorboard", action="store_true", help="log to TensorBoard too, not only to OUT/loss.csv")


# What the help says of each field of TrainingConfig that is an option, and which numbers it takes.
_FIELDS: dict[str, tuple[str, Any]] = {
    "steps": ("steps of the optimizer in all", whole(1, 10**9)),
    "batch_size": ("clips, or images, of each process in a forward pass", whole(1, 10**6)),
    "accumulation": ("forward passes whose gradients make one step", whole(1, 10**6)),
    "lr": ("learning rate", number(1e-12, 1)),
    "warmup": ("steps in which the learning rate rises from 0", whole(0, 10**9)),
    "cosine": ("let the learning rate fall along a cosine, to a fiftieth in the last step", None),
    "betas": ("how slowly the two moments of AdamW change", number(0, 1)),
    "weight_decay": ("by AdamW", number(0, 1000)),
    "optimizer": ("adamw8bit keeps its moments in a quarter of the memory", None),
    "clip_norm": ("largest norm of the gradient; a larger gradient is scaled down to it", number(1e-9, 1e9)),
    "ema": ("decay of a running average of the weights, which is then the result; 0: none", number(0, 1)),
    "object_weight": ("weight of the loss inside the boxes; 1 as published", number(1e-9, 1e9)),
    "timestep_power": ("t = 1000 u^POWER for an even u: below 1 noisy steps come more often; 1 as published",
                       number(1e-3, 1000)),
    "lora": ("train a LoRA of this rank in place of the weights; 0: the weights", whole(0, 65536)),
    "images": ("train on single frames, without the temporal layers", None),
    "drop_text": ("share of the clips whose text is left out", number(0, 1)),
    "drop_boxes": ("share of the clips whose boxes are left out", number(0, 1)),
    "drop_first_frame": ("share of the clips without the first frame among the input channels", number(0, 1)),
    "drop_image_tokens": ("share of the clips without image tokens, or a ControlNet's hint", number(0, 1)),
    "checkpointing": ("compute activations again in the backward pass, to save memory", None),
    "mixed_precision": ("of the forward pass; no is float32, and fp16 needs a GPU", None),
    "frozen_dtype": ("stores layers that do not train; bf16 or fp16, as --mixed-precision, halves their memory", None),
    "save_every": ("steps between saved states and checkpoints", whole(1, 10**9)),
    "keep_every": ("steps between checkpoints that later ones do not replace; 0: only the newest", whole(0, 10**9)),
    "validate_every": ("steps between validations", whole(1, 10**9)),
    "workers": ("processes that read clips ahead", whole(0, 1024)),
    "shards_at_once": ("files of 128 clips to shuffle at a time, of data that is fetched or on a slow disk; 0: all",
                       whole(0, 10**6)),
    "seed": ("of clips, noise and what is left out", whole(0, 2**63 - 1)),
}  # fmt: skip
_CHOICES = {"optimizer": OPTIMIZERS, "mixed_precision": PRECISIONS, "frozen_dtype": PRECISIONS}


def add_training_options(
    parser: argparse.ArgumentParser, defaults: TrainingConfig | None = None, without: Sequence[str] = ()
) -> None:
    """Add an option for each field of TrainingConfig but the stage; options not given are absent from the namespace.

    defaults  values that the help shows, instead of those of TrainingConfig
    without   fields that the command has no use for
    """
    own = {field.name: field.default for field in fields(TrainingConfig)}
    for name, (said, kind) in _FIELDS.items():
        if name in without:
            continue
        default = getattr(defaults, name) if defaults else own[name]
        option: dict[str, Any] = {"default": argparse.SUPPRESS, "help": f"{said}{_default(default)}"}
        if name in _CHOICES:
            option["choices"] = _CHOICES[name]
        elif kind is None:
            option["action"] = argparse.BooleanOptionalAction
        else:
            option["type"] = kind
        if name == "betas":
            option |= {"nargs": 2, "metavar": "BETA"}
        parser.add_argument("--" + name.replace("_", "-"), **option)


def _default(value: Any) -> str:
    if value is MISSING:
        return ""
    if value is None:
        return " (default: as the stage says)"
    if isinstance(value, bool):
        return f" (default {'yes' if value else 'no'})"
    shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
    return f" (default {shown})"


def given_training(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of TrainingConfig that were given on the command line."""
    values: dict[str, Any] = {
        field.name: getattr(args, field.name) for field in fields(TrainingConfig) if hasattr(args, field.name)
    }
    values.pop("stage", None)
    return values | ({"betas": tuple(values["betas"])} if "betas" in values else {})


def _train(args: argparse.Namespace) -> None:
    from ..files import check_folder
    from ..training.loop import train
    from ..weights.checkpoint import read_checkpoint

    check_folder(args.out)
    preset = PRESETS.get(args.preset)
    config, system = training_of(args)
    check_packages(config, args.tensorboard)
    data = _open_clips(args.data, config.shards_at_once)
    if preset:
        if args.init is None and preset.training.stage != "backbone":
            before = "stage 1 (--preset stage1)" if preset.training.stage == "diim" else "the backbone"
            raise SMCDError(f"--init is missing: the preset {args.preset} starts from a checkpoint of {before}")
        _compare(preset, data[0]["latents"].shape, data[0]["mask"].shape[1])
    # An autoencoder of one's own may have more latent channels than the 4 of the released one.
    sizes = (SMALL if args.small else {}) | {"latent_channels": data[0]["latents"].shape[1]}
    model_config = system_config(system, sizes, args.coverage_bias)
    start = read_checkpoint(args.init) if args.init else None
    with log_beside_bars():
        train(config, model_config, data, args.out, start=start, **log_settings(args))


def check_packages(config: TrainingConfig, tensorboard: bool) -> None:
    """Raise ModuleNotFoundError, before any work, for a package that is needed only after a part of it."""
    from importlib.util import find_spec

    needed = ["accelerate", "diffusers", "matplotlib", *["peft"] * (config.lora > 0)]
    needed += [*["bitsandbytes"] * (config.optimizer == "adamw8bit"), *["tensorboard"] * tensorboard]
    for name in needed:
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _open_clips(place: str, at_once: int) -> EncodedClips:
    from ..training.encoded import EncodedClips

    if "://" not in place:
        return EncodedClips(place)
    from ..training.streamed import StreamedClips

    if not at_once:
        raise SMCDError("--shards-at-once is missing: how many files to fetch and shuffle at a time, such as 8")
    return StreamedClips(place, at_once)


@contextmanager
def log_beside_bars() -> Iterator[None]:
    """Show the log of smcd_core on the terminal, without breaking progress bars."""
    from tqdm.contrib.logging import logging_redirect_tqdm

    logger = logging.getLogger("smcd")
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        with logging_redirect_tqdm([logger]):
            yield
    finally:
        logger.setLevel(level)


def training_of(args: argparse.Namespace) -> tuple[TrainingConfig, str]:
    """The run and the system that the command line asks for: a preset's, or a stage's, with the options given."""
    given = given_training(args)
    if args.preset:
        preset = PRESETS[args.preset]
        return replace(preset.training, **given), args.system or preset.system
    if "steps" not in given:
        raise SMCDError("--steps is missing: say how long to train, or choose a --preset")
    return TrainingConfig(args.stage, **given), args.system or "zc+gca"


def log_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `train` that concern validation and logs."""
    from ..training.encoded import EncodedClips
    from ..weights.components import load_components

    if args.components and not args.validation:
        raise SMCDError("--components without --validation: name the clips to sample")
    examples = EncodedClips(args.validation) if args.validation else []
    return {
        "validation": list(islice(examples, 32)),
        "vae": load_components(args.components)[0] if args.components else None,
        "tensorboard": args.tensorboard,
    }


def _compare(preset: Preset, latents: Sequence[int], slots: int) -> None:
    """Print a note if clips, latents [F, 4, h, w], differ from those of the paper; that may be intended."""
    frames, _, height, width = latents
    found, published = (
        (frames, 8 * width, 8 * height, slots),
        (preset.frames, preset.pixels, preset.pixels, preset.slots),
    )
    if found != published:
        text = "{} frames of {} x {} pixels with {} boxes"
        say(f"note: the paper used {text.format(*published)}; the data has {text.format(*found)}")
