"""The ablation study: train and compare the systems of the paper on generated clips, at small size, with several seeds.

Finished runs are skipped: the same command continues with what is left, and makes the tables. Without --data nothing is
trained: tables and plots are made from the numbers in --results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from ablation_report import PUBLISHED, make_tables, report
from ablation_runs import Budget, ablate

from smcd_core.errors import SMCDError
from smcd_core.training.encoded import EncodedClips
from smcd_core.weights.checkpoint import read_checkpoint
from smcd_core.weights.components import load_components

SEEDS = (33, 34, 35)
INPUTS = ("data", "validation", "components", "out")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ablation.py", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder that `smcd encode` wrote")
    parser.add_argument("--validation", type=Path, help="another such folder, of the split validation")
    parser.add_argument("--components", type=Path, help="folder with vae/, text_encoder/, tokenizer/, or a checkpoint")
    parser.add_argument(
        "--out", type=Path, help="folder for the runs, a subfolder for each seed and in it one for each run"
    )
    parser.add_argument("--backbone", type=Path, help="checkpoint trained on images; default: train one")
    parser.add_argument(
        "--results",
        type=Path,
        help="folder for tables and plots (default OUT/results; without --data the committed)",
    )
    parser.add_argument("--only", nargs="+", default=(), metavar="RUN", help="some runs, and those they start from")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="of the trainings (default %(default)s)")
    for field in fields(Budget):
        if field.name == "seed":
            continue
        option = "--" + field.name.replace("_", "-")
        parser.add_argument(option, type=type(field.default), default=field.default, help="default %(default)s")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    args = make_parser().parse_args(argv)
    missing = [f"--{name}" for name in INPUTS if getattr(args, name) is None]
    if missing and len(missing) < len(INPUTS):
        raise SMCDError(f"{', '.join(missing)} missing: training needs all of --{', --'.join(INPUTS)}")
    if missing:
        results = args.results or PUBLISHED
        make_tables(results)
        _show(results)
    else:
        _train(args)


def _train(args: argparse.Namespace) -> None:
    names = [field.name for field in fields(Budget) if field.name != "seed"]
    budget = Budget(**{name: getattr(args, name) for name in names})
    vae, text = load_components(args.components)
    backbone = read_checkpoint(args.backbone) if args.backbone else None
    data, validation = EncodedClips(args.data), EncodedClips(args.validation)
    folders = {seed: args.out / str(seed) for seed in args.seeds}
    for seed, out in folders.items():
        ablate(replace(budget, seed=seed), data, validation, vae, text, out, backbone=backbone, only=args.only)
    results = args.results or args.out / "results"
    missing = report(budget, folders, vae, results)
    if (results / "table.md").exists():
        _show(results)
    if missing:
        print(f"not finished: {', '.join(missing)}")


def _show(results: Path) -> None:
    print((results / "table.md").read_text(encoding="utf-8"))
    print(f"tables and plots: {results}")


if __name__ == "__main__":
    try:
        main()
    except (SMCDError, OSError) as error:
        sys.exit(f"ablation.py: error: {error}")
