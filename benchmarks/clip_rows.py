"""Shared by experiments on generated clips: make videos once, and compare rows clip by clip."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from smcd_core.evaluation.metrics import bootstrap_interval
from smcd_core.evaluation.scores import Result, mean_over_clips
from smcd_core.files import replacing


def options(about: str, folder: Path, clips: int = 24) -> argparse.Namespace:
    """Parse --clips and --folder, create the folder, and set torch to one thread."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=clips)
    parser.add_argument("--folder", type=Path, default=folder, help="for the videos (default %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    return args


def made_once(label: str, args: argparse.Namespace, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of a row: made by `make`, or read if an earlier run made them."""
    path = args.folder / f"{label.replace(' ', '_')}_{args.clips}.safetensors"
    if not path.is_file():
        with replacing(path) as temporary:
            save_file(make(), temporary)
    return load_file(path)


def differences(row: Result, reference: Result, scores: Iterable[str]) -> dict[str, dict[str, object]]:
    """Mean and mean difference from the reference with their intervals, by score."""
    values = {}
    for name in scores:
        gaps = [new[name] - old[name] for new, old in zip(row.clips, reference.clips, strict=True)]
        values[name] = {
            "mean": row.scores[name],
            "interval": row.intervals[name],
            "difference": mean_over_clips(gaps),
            "difference_interval": bootstrap_interval(gaps),
        }
    return values
