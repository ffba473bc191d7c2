"""smcd encode: turn clips into latents and tokens on disk, for training."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import SMCDError
from ..networks.config import SMALL
from ..terminal import say
from .arguments import whole
from .data import CLIPS, DATASETS, add_dataset_options, open_options
from .train import log_beside_bars


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = "Runs under `accelerate launch` too: the processes share the work."
    parser.add_argument(
        "--dataset", choices=(*CLIPS, *DATASETS), default="synthetic", help="what to read (default %(default)s)"
    )
    parser.add_argument("--root", type=Path, help="folder with the dataset")
    parser.add_argument(
        "--clips", type=whole(1, 10**9), help="how many; not needed with --root (default there: one of each video)"
    )
    parser.add_argument("--cuts", type=whole(1, 10_000), help="clips to cut from each video, instead of --clips")
    parser.add_argument("--flips", action="store_true", help="add each clip mirrored, with its boxes: twice as many")
    add_dataset_options(parser, pixels="256; synthetic 128")
    parser.add_argument("--slots", type=whole(1, 65536), help="boxes per frame (default 8; images 30, synthetic 4)")
    parser.add_argument(
        "--components", type=Path, required=True, help="folder with vae/, text_encoder/, tokenizer/, or a checkpoint"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the encoded clips")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps, ... (default: the fastest there is)")
    parser.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16"),
        default="float32",
        help="of the networks (default %(default)s)",
    )
    parser.add_argument(
        "--batch-size", type=whole(1, 4096), default=1, help="clips that are encoded together (default %(default)s)"
    )
    parser.add_argument("--part", default="1/1", metavar="I/N", help="do part I of N; run all N side by side")
    parser.set_defaults(run=_encode, extra="train")


def _encode(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..data.samples import SampleError, log_left_out
    from ..files import check_folder
    from ..sampling.devices import DTYPES, chosen_device
    from ..sampling.settings import check_size
    from ..training.encoded import encode_clips, processes, shards
    from ..weights.components import load_components, vae_stride

    check_folder(args.out)
    part, parts = _part(args.part)
    clips, settings = _clips_to_encode(args)
    state = processes()  # they share this part
    part, parts = part * state.num_processes + state.process_index, parts * state.num_processes
    shared = "auto" if state.num_processes == 1 else str(state.device)
    device = chosen_device(args.device or shared, "--device")
    vae, text = (network.to(device, DTYPES[args.dtype]) for network in load_components(args.components))
    size = settings["size"]
    for width, height in [(size, size)] if isinstance(size, int) else size:
        check_size(width, height, vae_stride(vae), "--pixels")
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


def _clips_to_encode(args: argparse.Namespace) -> tuple[Sequence, dict[str, Any]]:
    """The clips, and what to note about them in the files."""
    from ..data import WithFlips

    clips, noted = _clips_of_dataset(args)
    if args.dtype != "float32":
        noted["dtype"] = args.dtype
    return (WithFlips(clips), noted | {"flips": True}) if args.flips else (clips, noted)


def _clips_of_dataset(args: argparse.Namespace) -> tuple[Sequence, dict[str, Any]]:
    from torch.utils.data import Subset

    from ..data import KINDS, SyntheticClips, WorldClips, open_dataset

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
