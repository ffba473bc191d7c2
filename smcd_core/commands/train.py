"""smcd train: train one stage, from nothing or from a checkpoint."""

from __future__ import annotations

import argparse
import logging
import typing
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
    parser.set_defaults(run=_train)


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


def add_training_options(parser: argparse.ArgumentParser, defaults: TrainingConfig | None = None) -> None:
    """Add an option for each field of TrainingConfig but the stage; options not given are absent from the namespace.

    defaults  values that the help shows, instead of those of TrainingConfig
    """
    hints = typing.get_type_hints(TrainingConfig)
    choices = {"optimizer": OPTIMIZERS, "mixed_precision": PRECISIONS, "frozen_dtype": PRECISIONS}
    for field in fields(TrainingConfig):
        if field.name == "stage":
            continue
        default = getattr(defaults, field.name) if defaults else field.default
        kinds = {MISSING: "steps of the optimizer in all", None: "default: the stage's"}
        said = kinds.get(default, f"default {default}")
        options: dict[str, Any] = {"default": argparse.SUPPRESS, "help": said}
        kind = hints[field.name]
        if kind is bool or kind == bool | None:
            options["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(kind) is tuple:
            options |= {"type": float, "nargs": 2}
        else:
            options["type"] = next((t for t in typing.get_args(kind) if t is not type(None)), kind)
        if field.name in choices:
            options["choices"] = choices[field.name]
        parser.add_argument("--" + field.name.replace("_", "-"), **options)


def given_training(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of TrainingConfig that were given on the command line."""
    values: dict[str, Any] = {
        field.name: getattr(args, field.name) for field in fields(TrainingConfig) if hasattr(args, field.name)
    }
    values.pop("stage", None)
    return values | ({"betas": tuple(values["betas"])} if "betas" in values else {})


def _train(args: argparse.Namespace) -> None:
    from ..training.loop import train
    from ..weights.checkpoint import read_checkpoint

    preset = PRESETS.get(args.preset)
    config, system = training_of(args)
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
