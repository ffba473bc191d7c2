"""The options of smcd evaluate, and which of them belong together."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..errors import SMCDError
from .arguments import number, whole

SMALLEST = 11  # pixels of a side, which SSIM needs
DEFAULTS = {"clips": 64, "split": "test", "seed": 0, "batch_size": 4, "detector_threshold": 0.25}
OF_CHECKPOINTS = (
    "checkpoint", "components", "data", "phrase", "clips", "split", "frames", "steps", "cfg_text", "cfg_boxes",
    "cfg_image", "dtype", "match_colors", "seed", "batch_size", "sensitivity",
)  # fmt: skip
OF_VIDEOS = (
    "trajectories", "references", "prompts", "found", "by_color", "mot", "counterfactuals",
    "counterfactual_trajectories", "points", "found_points", "floor", "ceiling",
)  # fmt: skip
# Options that have an effect only with, or without, one of others.
RULES = (
    (OF_CHECKPOINTS, "without", ("videos",)),
    (OF_VIDEOS, "with", ("videos",)),
    (("split",), "without", ("data",)),
    (("phrase",), "with", ("data",)),
    (("prompts",), "with", ("clip",)),
    (("mot",), "with", ("found",)),
    (("counterfactual_trajectories",), "with", ("counterfactuals",)),
    (("points",), "with", ("found_points",)),
    (("found_points",), "with", ("points",)),
    (("ceiling",), "with", ("floor",)),
    (("detector_threshold",), "with", ("detector",)),
    (("download",), "with", ("detector", "clip", "dino")),
)
RULES_OF_VIDEOS = ((("dino", "lpips", "fvd"), "with", ("references",)),)  # a checkpoint's clips are references
FINDERS = ("detector", "found", "by_color")  # each says where the objects are


def add_evaluation_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Without --videos, animates synthetic clips that no training has seen, or those of --data, and scores the "
        "results. With --videos, scores videos of any method. docs/metrics.md explains the numbers."
    )
    _add_checkpoint_options(parser.add_argument_group("a checkpoint on synthetic clips, or on your own"))
    finished = parser.add_argument_group("finished videos")
    _add_video_options(finished)
    _add_point_options(finished)
    _add_comparison_options(finished)
    _add_network_options(
        parser.add_argument_group("networks", "your own folders and files; only --download fetches anything")
    )
    parser.add_argument(
        "--size",
        type=whole(SMALLEST, 16384),
        help="pixels of each side of a frame (default: as in training; 256 for finished videos)",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps, ... (default: the fastest there is)")
    parser.add_argument("--out", type=Path, default=Path("out/evaluation"), help="folder (default %(default)s)")


def _add_checkpoint_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--checkpoint", type=Path, help="file or folder of weights (default: the bundled one)")
    group.add_argument("--components", type=Path, help="folder with vae/, text_encoder/, tokenizer/, or a checkpoint")
    group.add_argument(
        "--data", type=Path, metavar="DIR", help="your own clips, found as by `smcd data check` and `smcd finetune`"
    )
    group.add_argument("--phrase", help="phrase for objects of --data whose boxes have no name")
    group.add_argument(
        "--clips",
        type=whole(1, 10**6),
        help=f"how many to animate, of --data at most (default {DEFAULTS['clips']})",
    )
    group.add_argument(
        "--split",
        choices=("test", "validation"),
        help=f"choose settings on validation only (default {DEFAULTS['split']})",
    )
    group.add_argument("--frames", type=whole(1, 4096), help="frames per clip (default: as in training)")
    group.add_argument("--steps", type=whole(1, 1000), help="denoising steps (default: the checkpoint's)")
    for name in ("text", "boxes", "image"):
        group.add_argument(
            f"--cfg-{name}", type=number(-100, 100), metavar="SCALE", help=f"guidance scale of the {name}"
        )
    group.add_argument(
        "--dtype",
        choices=("float32", "float16", "bfloat16"),
        help="of the networks (default: half precision on an NVIDIA GPU, else float32)",
    )
    group.add_argument("--match-colors", action="store_true", help="match colours to those of the first frame")
    group.add_argument(
        "--seed", type=whole(0, 2**63 - 1), help=f"random seed of the first clip (default {DEFAULTS['seed']})"
    )
    group.add_argument("--batch-size", type=whole(1, 10**4), help=f"videos per call (default {DEFAULTS['batch_size']})")
    group.add_argument(
        "--sensitivity", action="store_true", help="animate each clip once more, with boxes that stay where they start"
    )


def _add_video_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--videos", type=Path, nargs="+", metavar="DIR", help="one folder per method, with the same file names"
    )
    group.add_argument(
        "--trajectories", type=Path, metavar="DIR", help="boxes, named like the videos (default: beside or in them)"
    )
    group.add_argument(
        "--references", type=Path, metavar="DIR", help="real videos or first frames, named like the videos"
    )
    group.add_argument("--prompts", type=Path, metavar="JSON", help="sentence of each video, for CLIP-SIM")
    group.add_argument(
        "--found", type=Path, nargs="+", metavar="DIR", help="boxes of the objects in each folder of --videos"
    )
    group.add_argument(
        "--by-color",
        action="store_true",
        help="find objects by the colour that they have in the first frame: for drawings only",
    )
    group.add_argument(
        "--mot", type=Path, metavar="DIR", help="write the boxes and those of --found here, for TrackEval's HOTA"
    )
    group.add_argument(
        "--counterfactuals",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="for each folder of --videos, the same requests and seeds with other boxes",
    )
    group.add_argument(
        "--counterfactual-trajectories", type=Path, metavar="DIR", help="these other boxes (default: beside or in them)"
    )


def _add_point_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--points", type=Path, metavar="DIR", help="where points should be: the coordinates of SMCD Tracks, or .npy"
    )
    group.add_argument(
        "--found-points", type=Path, nargs="+", metavar="DIR", help="where a tracker found them in each of --videos"
    )


def _add_comparison_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--floor", type=Path, metavar="DIR", help="the folder of --videos made without control")
    group.add_argument(
        "--ceiling", type=Path, metavar="DIR", help="the folder of --videos that is real (default: --references)"
    )


def _add_network_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--detector", metavar="MODEL", help="Grounding DINO or OWLv2 as transformers saves it")
    group.add_argument(
        "--detector-threshold",
        type=number(0, 1),
        help=f"minimum score, 0..1 (default {DEFAULTS['detector_threshold']})",
    )
    group.add_argument("--clip", metavar="MODEL", help="for CLIP-SIM and the first frame")
    group.add_argument("--dino", metavar="MODEL", help="DINO or DINOv2, for the first frame")
    group.add_argument(
        "--lpips", type=Path, nargs=2, metavar=("ALEXNET", "HEADS"), help="weights of torchvision, and LPIPS' alex.pth"
    )
    group.add_argument(
        "--fvd", type=Path, metavar="TORCHSCRIPT", help="I3D; the file is a program and runs: use only one you trust"
    )
    group.add_argument("--download", action="store_true", help="MODEL may be a name on the Hugging Face Hub")


def check_options(args: argparse.Namespace) -> None:
    """Refuse options that do not go together, then fill in the defaults."""
    given = [name for name, value in vars(args).items() if value is not None and value is not False]
    for options, word, others in (*RULES, *(RULES_OF_VIDEOS if args.videos else ())):
        wrong = [name for name in options if name in given]
        if wrong and (word == "without") == any(name in given for name in others):
            apply = "applies" if len(wrong) == 1 else "apply"
            raise SMCDError(f"{_named(wrong, ', ')} {apply} only {word} {_named(others, ' or ')}")
    finders = [name for name in FINDERS if name in given]
    if len(finders) > 1:
        raise SMCDError(f"{_named(finders, ' and ')} both say where the objects are: give one of them")
    for name in ("found", "counterfactuals", "found_points"):
        folders = getattr(args, name)
        if folders and len(folders) != len(args.videos):
            count = f"{len(folders)} folders, --videos {len(args.videos)}"
            raise SMCDError(f"{_named([name])} names {count}: one each is needed")
    for name in ("floor", "ceiling"):
        folder = getattr(args, name)
        if folder and folder not in args.videos:
            raise SMCDError(f"--{name} {folder}: is none of the folders of --videos; add it there")
    for name in DEFAULTS.keys() - given:
        setattr(args, name, DEFAULTS[name])


def _named(options: Sequence[str], between: str = "") -> str:
    return between.join(f"--{name.replace('_', '-')}" for name in options)
