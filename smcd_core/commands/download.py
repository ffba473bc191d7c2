"""smcd download: fetch published weights after showing their licences and asking."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SMCDError
from ..terminal import say
from ..weights.published import ALL, FOR_COMFYUI, FOR_COMMAND_LINE

if TYPE_CHECKING:
    from ..weights.download import PlannedFile


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.description = "Shows what would be fetched, from where and under which licence, then asks."
    parser.epilog = "weights: " + "; ".join(f"{name} ({weights.title})" for name, weights in ALL.items())
    parser.add_argument(
        "weights",
        nargs="*",
        metavar="WEIGHTS",
        help=f"any of {', '.join(ALL)} (default: for ComfyUI {' '.join(FOR_COMFYUI)}, else "
        f"{' '.join(FOR_COMMAND_LINE)})",
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="ComfyUI's folder models (default: if found)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="any other folder, without ComfyUI's subfolders")
    parser.add_argument("--yes", action="store_true", help="accept the licences without asking")
    parser.add_argument("--list", action="store_true", help="only list addresses and paths")
    parser.set_defaults(run=_download, may_fetch=True)


def _download(args: argparse.Namespace) -> None:
    from ..files import check_folder
    from ..weights.download import find_models, licence_lines, locations, manual_lines, plan_downloads
    from ..weights.hub import DownloadError, show_size

    if args.models and args.folder:
        raise SMCDError("--models and --folder are both given: choose one")
    if unknown := [name for name in args.weights if name not in ALL]:
        raise SMCDError(f"no weights are called {unknown[0]!r}: choose from {', '.join(ALL)}")
    models = None if args.folder else args.models or find_models()
    if models is None and args.folder is None:
        raise SMCDError(
            "no ComfyUI was found: give its folder models with --models DIR, or any folder with --folder DIR"
        )
    names = args.weights or (FOR_COMFYUI if models else FOR_COMMAND_LINE)
    files = plan_downloads(dict.fromkeys(names), lambda place: models / place if models else args.folder)
    if args.list:
        say("\n".join(manual_lines(files)))
        return
    say("\n".join(licence_lines(files)))
    if rest := [one for one in files if not one.is_there]:
        for folder in {one.path.parent: None for one in rest}:
            check_folder(folder)
        say(f"\n{show_size(sum(one.file.size for one in rest))} in {len(rest)} files are to be fetched.")
        _accept_licences(args.yes)
    try:
        _fetch_all(files)
    except DownloadError:
        say("\nby hand\n" + "\n".join(manual_lines(one for one in files if not one.is_there)), sys.stderr)
        raise
    for weights, path in locations(files):
        say(f"{weights.title}\n  {path}\n  for {weights.use}")


def _accept_licences(accepted: bool) -> None:
    if accepted:
        return
    if not sys.stdin.isatty():
        raise SMCDError("cannot ask without a terminal, so nothing was fetched: accept the licences with --yes")
    answer = input("Do you accept all licences and want to download? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise SMCDError("the licences were not accepted, so nothing was fetched")


def _fetch_all(files: list[PlannedFile]) -> None:
    from tqdm import tqdm

    from ..weights.download import fetch

    for one in files:
        with tqdm(desc=one.path.name[-40:], unit="B", unit_scale=True, leave=False, disable=None) as bar:

            def show(done: int, size: int, bar: tqdm = bar) -> None:
                bar.total = size
                bar.update(done - bar.n)

            fetched = fetch(one, show)
        say(f"{'fetched' if fetched else 'kept':<9}{one.path}", sys.stderr)
