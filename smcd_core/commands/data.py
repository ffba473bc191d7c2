"""smcd data: what a folder of training data holds, and its clips with drawn boxes for the trainers of other models."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..errors import SMCDError
from ..terminal import say
from .arguments import frame_sizes, note, number, whole
from .guide import STYLES

CLIPS = ("synthetic", "world")  # drawn, not read: sprites on pale scenes, textured cut-outs on textured scenes
DATASETS = ("got10k", "youtube-vis", "grounding", "folder")  # as in data/catalog.py, which takes long to import
_SHOWN = 20  # damaged samples in the text; the JSON has all


def add_options(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="action", required=True)
    check = actions.add_parser("check", help="say what a folder holds, and which samples are damaged and why")
    check.add_argument("root", type=Path, metavar="DIR", help="folder with the data")
    check.add_argument("--dataset", choices=DATASETS, help="which kind (default: recognised by its layout)")
    add_dataset_options(check)
    check.add_argument(
        "--samples", type=whole(0, 10**9), default=200, help="how many to read (default %(default)s; 0: all)"
    )
    check.add_argument("--sheet", type=Path, help="contact sheet (default NAME-check.png, here)")
    check.add_argument("--json", type=Path, help="write all that was found there, too")
    check.set_defaults(run=_check)
    pairs = actions.add_parser(
        "pairs",
        help="write videos, drawn boxes and captions for the LTX-2 trainer and musubi-tuner",
        description="OUT gets videos/, guides/, dataset.jsonl for the LTX-2 trainer and musubi.toml for musubi-tuner; "
        "a stopped run goes on.",
    )
    pairs.add_argument("root", type=Path, metavar="DIR", help="folder with the data")
    pairs.add_argument("--out", type=Path, required=True, help="a new folder")
    pairs.add_argument("--dataset", choices=DATASETS, help="which kind (default: recognised by its layout)")
    pairs.add_argument("--style", choices=STYLES[1:], default="ltx boxes", help="of the boxes (default %(default)s)")
    pairs.add_argument("--cuts", type=whole(1, 10_000), default=1, help="clips of each video (default %(default)s)")
    pairs.add_argument("--fps", type=number(0.01, 1000), default=24, help="frames per second (default %(default)s)")
    add_dataset_options(pairs, frames="49; images 1", pixels="768x448")
    pairs.set_defaults(run=_pairs)


def add_dataset_options(parser: argparse.ArgumentParser, frames: str = "8; images 1", pixels: str = "256") -> None:
    """Add the options that `open_options` reads.

    frames, pixels  the defaults, as the help says them
    """
    parser.add_argument(
        "--split", help="part of the dataset; GOT-10k: train, val; YouTube-VIS: train, valid, test (default train)"
    )
    parser.add_argument("--frames", type=whole(1, 4096), help=f"of a clip (default {frames})")
    parser.add_argument(
        "--pixels",
        type=frame_sizes,
        metavar="N | WxH,WxH,...",
        help="side of square frames, or sizes of which each clip gets the one nearest its aspect ratio "
        f"(default {pixels})",
    )
    parser.add_argument(
        "--interval", type=whole(1, 10**6), default=1, help="take every n-th frame (default %(default)s)"
    )
    parser.add_argument("--phrase", help="what the objects of a folder are whose boxes have no name")
    parser.add_argument(
        "--seed", type=whole(0, 2**63 - 1), default=33, help="of the clips cut out (default %(default)s)"
    )
    parser.add_argument("--workers", type=whole(0, 1024), default=0, help="processes that read ahead (default none)")


def open_options(args: argparse.Namespace) -> dict[str, Any]:
    """Arguments of `open_dataset`."""
    return {
        "split": args.split,
        "num_frames": args.frames,
        "size": args.pixels,
        "interval": args.interval,
        "phrase": args.phrase,
        "seed": args.seed,
    }


def _check(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..data import detect_dataset, open_dataset
    from ..data.check import check, describe
    from ..files import check_writable, replacing, write_text

    if args.samples < 0:
        raise SMCDError(f"--samples is {args.samples}, expected 1 or more, or 0 for all")
    path = args.sheet or Path(f"{args.root.resolve().name or 'data'}-check.png")
    for out in filter(None, (path, args.json)):
        check_writable(out)
    kind = args.dataset or detect_dataset(args.root)
    clips = open_dataset(kind, args.root, **open_options(args))
    with tqdm(unit="clip", leave=False, disable=None) as bar:
        findings, sheet = check(kind, clips, args.samples, workers=args.workers, progress=bar.update)
    for line in describe(findings, _SHOWN):
        say(line)
    if args.json:
        write_text(args.json, json.dumps(findings, indent=1))
    if sheet is not None:
        with replacing(path) as temporary:
            sheet.save(temporary, format="PNG")
        say(f"{'sheet':<14}{path}")


def _pairs(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..data import detect_dataset, open_dataset
    from ..data.pairs import write_pairs
    from ..files import check_folder
    from ..guides.fit import LTX, WAN

    check_folder(args.out)
    kind = args.dataset or detect_dataset(args.root)
    given = open_options(args)
    given["size"] = args.pixels or ((768, 448),)
    given["num_frames"] = args.frames or (1 if kind == "grounding" else 49)
    clips = open_dataset(kind, args.root, **given)
    clips.passes = args.cuts
    grid = LTX if args.style.startswith("ltx") else WAN
    if (clips.num_frames - 1) % grid.frames:
        note(f"{clips.num_frames} frames: {grid.name} takes 1 + a multiple of {grid.frames}, and would cut some off")
    settings = {"dataset": kind, "cuts": args.cuts, **given}
    with tqdm(total=len(clips), unit="clip", leave=False, disable=None) as bar:
        count = write_pairs(clips, args.out, args.style, args.fps, settings, workers=args.workers, progress=bar.update)
    say(f"{args.out}: {count} of {len(clips)} clips with their guides, listed in dataset.jsonl and musubi.toml")
