"""smcd ablate: train and compare the systems of the paper on synthetic clips, at small size."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import SMCDError


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "ablate",
        help="train and compare the systems of the paper on synthetic clips, at small size",
        description="Finished runs are skipped: the same command goes on with what is left, and makes the tables. "
        "Without --data nothing is trained: tables and plots are made anew from the numbers in RESULTS.",
    )
    parser.add_argument("--data", type=Path, help="folder that `smcd encode` wrote")
    parser.add_argument("--validation", type=Path, help="another such folder, of the split validation")
    parser.add_argument("--components", type=Path, help="folder with vae/, text_encoder/, tokenizer/, or a checkpoint")
    parser.add_argument("--out", type=Path, help="a folder for each run is made in it")
    parser.add_argument("--backbone", type=Path, help="checkpoint trained on images; default: train one")
    parser.add_argument(
        "--results",
        type=Path,
        help="folder for tables and plots (default OUT/results; without --data those of this project)",
    )
    parser.add_argument("--only", nargs="+", default=(), metavar="RUN", help="some runs, and those they start from")
    sizes = (
        ("backbone-steps", 1000), ("video-steps", 300), ("mim-steps", 600), ("diim-steps", 250), ("image-batch", 16),
        ("clip-batch", 4), ("clips", 24), ("sampling-steps", 20), ("seed", 33),
    )  # fmt: skip
    for name, default in sizes:
        parser.add_argument(f"--{name}", type=int, default=default, help="default %(default)s")
    parser.add_argument("--lr", type=float, default=1e-3, help="default %(default)s")
    parser.add_argument("--guidance", type=float, default=1.5, help="of text and boxes (default %(default)s)")
    parser.set_defaults(run=_ablate)


def _ablate(args: argparse.Namespace) -> None:
    from ..evaluation.ablation_report import PUBLISHED, draw

    needed = ("data", "validation", "components", "out")
    missing = [f"--{name}" for name in needed if getattr(args, name) is None]
    if len(missing) == len(needed):
        results = args.results or PUBLISHED
        draw(results)
        _show(results)
    elif missing:
        raise SMCDError(f"{', '.join(missing)} missing: training needs all of --{', --'.join(needed)}")
    else:
        _train(args)


def _train(args: argparse.Namespace) -> None:
    from dataclasses import fields

    from ..evaluation.ablation import Budget, ablate
    from ..evaluation.ablation_report import report
    from ..training.encoded import EncodedClips
    from ..weights.checkpoint import read_checkpoint
    from ..weights.components import load_components

    budget = Budget(**{field.name: getattr(args, field.name) for field in fields(Budget)})
    vae, text = load_components(args.components)
    backbone = read_checkpoint(args.backbone) if args.backbone else None
    data, validation = EncodedClips(args.data), EncodedClips(args.validation)
    ablate(budget, data, validation, vae, text, args.out, backbone=backbone, only=args.only)
    results = args.results or args.out / "results"
    missing = report(budget, args.out, vae, results)
    if (results / "table.md").exists():
        _show(results)
    if missing:
        print(f"not there yet: {', '.join(missing)}")


def _show(results: Path) -> None:
    print((results / "table.md").read_text(encoding="utf-8"))
    print(f"tables and plots: {results}")
