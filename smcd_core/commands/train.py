"""smcd pretrain, encode and train: from nothing, or from released weights, to a checkpoint."""

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
from .arguments import number, whole
from .data import DATASETS, add_dataset_options

if TYPE_CHECKING:
    from ..training.encoded import EncodedClips

CLIPS = ("synthetic", "world")  # drawn, not read: sprites on pale scenes, textured cut-outs on textured scenes


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    pretrain = subparsers.add_parser(
        "pretrain", help="train the small autoencoder or text encoder that the bundled default uses"
    )
    pretrain.add_argument("network", choices=("autoencoder", "text-encoder"))
    pretrain.add_argument(
        "--out", type=Path, required=True, help="folder to write vae/ or text_encoder/, tokenizer/ to"
    )
    pretrain.add_argument(
        "--steps", type=whole(1, 10**9), help="default 3000 for the autoencoder, 1500 for the text encoder"
    )
    pretrain.add_argument(
        "--decoder-only", action="store_true", help="improve the decoder of a finished autoencoder, keep its latents"
    )
    autoencoder = pretrain.add_argument_group("the autoencoder")
    autoencoder.add_argument(
        "--dataset", choices=CLIPS, default="world", help="clips to learn from (default %(default)s)"
    )
    autoencoder.add_argument(
        "--latent-channels", type=whole(1, 256), default=4, help="more keep more detail (default %(default)s)"
    )
    autoencoder.add_argument(
        "--channels",
        type=whole(1, 8192),
        nargs=4,
        default=(32, 32, 64, 128),
        help="of its resolutions (default 32 32 64 128)",
    )
    autoencoder.add_argument("--blocks", type=whole(1, 64), default=1, help="of each resolution (default %(default)s)")
    autoencoder.add_argument(
        "--detail-weight", type=number(0, 1000), default=0.5, help="of sharp edges in the loss (default %(default)s)"
    )
    autoencoder.add_argument(
        "--batch-size", type=whole(1, 10**4), default=8, help="crops of a step (default %(default)s)"
    )
    autoencoder.add_argument("--lr", type=number(1e-9, 1), default=1e-3, help="default %(default)s")
    autoencoder.add_argument("--device", help="cpu, cuda, cuda:1, mps, ... (default: the fastest there is)")
    pretrain.set_defaults(run=_pretrain)

    encode = subparsers.add_parser(
        "encode",
        help="turn clips into latents and tokens on disk, for training",
        description="Runs under `accelerate launch` too: the processes share the work.",
    )
    encode.add_argument(
        "--dataset", choices=(*CLIPS, *DATASETS), default="synthetic", help="what to read (default %(default)s)"
    )
    encode.add_argument("--root", type=Path, help="folder with the dataset")
    encode.add_argument(
        "--clips", type=whole(1, 10**9), help="how many; not needed with --root (default there: one of each video)"
    )
    encode.add_argument("--cuts", type=whole(1, 10_000), help="clips to cut from each video, instead of --clips")
    encode.add_argument("--flips", action="store_true", help="add each clip mirrored, with its boxes: twice as many")
    add_dataset_options(encode)
    encode.add_argument("--slots", type=whole(1, 65536), help="boxes per frame (default 8; images 30, synthetic 4)")
    encode.add_argument(
        "--components", type=Path, required=True, help="folder with vae/, text_encoder/, tokenizer/, or a checkpoint"
    )
    encode.add_argument("--out", type=Path, required=True, help="folder for the encoded clips")
    encode.add_argument("--device", help="cpu, cuda, cuda:1, mps, ... (default: the fastest there is)")
    encode.add_argument(
        "--dtype", choices=("float32", "float16", "bfloat16"), default="float32", help="default %(default)s"
    )
    encode.add_argument(
        "--batch-size", type=whole(1, 4096), default=1, help="clips that are encoded together (default %(default)s)"
    )
    encode.add_argument("--part", default="1/1", metavar="I/N", help="do part I of N; run all N side by side")
    encode.set_defaults(run=_encode)

    train = subparsers.add_parser("train", help="train one stage", description="Runs under `accelerate launch` too.")
    what = train.add_mutually_exclusive_group(required=True)
    what.add_argument("--preset", choices=PRESETS, help="a configuration of the paper; other options override it")
    what.add_argument("--stage", choices=STAGES, help="what to train, with the options' defaults")
    train.add_argument("--system", choices=SYSTEMS, help="what to build (default: the preset's, else zc+gca: SMCD)")
    train.add_argument("--small", action="store_true", help="sizes of the bundled checkpoint, not of the released one")
    train.add_argument(
        "--coverage-bias", action="store_true", help="weigh boxes by the share of a cell that they cover"
    )
    train.add_argument(
        "--data",
        action=_Place,
        required=True,
        help="folder that `smcd encode` wrote, or a URL with its files, such as hf://datasets/OWNER/NAME: then "
        "--shards-at-once are fetched and kept in memory",
    )
    train.add_argument("--init", type=Path, help="checkpoint whose weights to start from")
    train.add_argument("--out", type=Path, required=True, help="run folder; an unfinished run in it is resumed")
    add_log_options(train)
    add_training_options(train)
    train.set_defaults(run=_train)


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


def _pretrain(args: argparse.Namespace) -> None:
    from ..training import pretrain

    if args.network == "autoencoder":
        from ..data import render_clip, render_world_clip
        from ..sampling.devices import chosen_device

        pretrain.train_autoencoder(
            args.out,
            steps=args.steps or 3000,
            latent_channels=args.latent_channels,
            channels=args.channels,
            blocks=args.blocks,
            detail_weight=args.detail_weight,
            batch_size=args.batch_size,
            lr=args.lr,
            render=render_clip if args.dataset == "synthetic" else render_world_clip,
            decoder_only=args.decoder_only,
            device=chosen_device(args.device or "auto", "--device"),
        )
    else:
        pretrain.train_text_encoder(args.out, steps=args.steps or 1500)


def _encode(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..data.samples import SampleError, log_left_out
    from ..sampling.devices import DTYPES, chosen_device
    from ..training.encoded import encode_clips, processes, shards
    from ..weights.components import load_components

    part, parts = _part(args.part)
    clips, settings = _clips_to_encode(args)
    state = processes()  # they share this part
    part, parts = part * state.num_processes + state.process_index, parts * state.num_processes
    shared = "auto" if state.num_processes == 1 else str(state.device)
    device = chosen_device(args.device or shared, "--device")
    vae, text = (network.to(device, DTYPES[args.dtype]) for network in load_components(args.components))
    damaged = []

    def report(error: SampleError) -> None:
        damaged.append(error)
        log_left_out(error)

    total = sum(map(len, shards(len(clips), part, parts).values()))
    with log_beside_bars(), tqdm(total=total, unit="clip", disable=not state.is_local_main_process) as bar:
        encode_clips(
            clips, vae, text, args.out, slots=settings["slots"], batch_size=args.batch_size, part=part, parts=parts,
            workers=args.workers, settings=settings, progress=bar.update, report=report,
        )  # fmt: skip
    if damaged:
        say(f"{len(damaged)} of {total} clips are damaged and were left out")


def _clips_to_encode(args: argparse.Namespace) -> tuple[Sequence, dict[str, str | int | None]]:
    """The clips, and what to note about them in the files."""
    from ..data import WithFlips

    clips, noted = _clips_of_dataset(args)
    if args.dtype != "float32":
        noted["dtype"] = args.dtype
    return (WithFlips(clips), noted | {"flips": True}) if args.flips else (clips, noted)


def _clips_of_dataset(args: argparse.Namespace) -> tuple[Sequence, dict[str, str | int | None]]:
    from torch.utils.data import Subset

    from ..data import KINDS, SyntheticClips, WorldClips, open_dataset
    from .data import open_options

    if args.cuts and args.clips:
        raise SMCDError("--cuts and --clips both say how many clips to make: leave one out")
    if args.dataset in CLIPS:
        if args.clips is None:
            raise SMCDError("--clips is missing: how many synthetic clips to make")
        split = args.split or "train"
        if split not in ("train", "validation"):
            raise SMCDError(f"--split is {split!r}, expected train or validation for synthetic clips")
        if not isinstance(args.pixels, int | None):
            raise SMCDError("--pixels names sizes, but synthetic clips are square: give one number")
        kind = SyntheticClips if args.dataset == "synthetic" else WorldClips
        clips = kind(args.clips, split=split, size=args.pixels or 128, num_frames=args.frames or 8)
        slots = args.slots or SMALL["box_slots"]
        size, frames = clips.size, clips.num_frames
    else:
        if args.root is None:
            raise SMCDError(f"--root is missing: the folder with the dataset {args.dataset}")
        dataset = open_dataset(args.dataset, args.root, clips=args.clips, **open_options(args))
        dataset.passes = args.cuts or dataset.passes
        clips = dataset if args.clips is None else Subset(dataset, range(args.clips))
        slots = args.slots or KINDS[args.dataset].slots
        size, frames = dataset.size, dataset.num_frames
    noted = {"dataset": args.dataset, "root": args.root and args.root.resolve().name, "clips": len(clips)}
    noted |= open_options(args) | {"size": size, "num_frames": frames, "slots": slots}
    return clips, noted


def _part(text: str) -> tuple[int, int]:
    """ "2/3" -> (1, 3), counted from 0"""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise SMCDError(f"--part is {text!r}, expected something like 1/2")
    return int(number) - 1, int(count)


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
