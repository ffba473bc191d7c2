"""smcd download: fetch published weights, after their licences were shown and accepted."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SMCDError
from ..weights.published import ALL, FOR_COMFYUI, FOR_COMMAND_LINE

if TYPE_CHECKING:
    from ..weights.download import Item


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "download",
        help="fetch the released SMCD and what it needs, licences first",
        description="Shows what would be fetched, from where, under which licence, and asks.",
        epilog="weights: " + "; ".join(f"{name} ({weights.title})" for name, weights in ALL.items()),
    )
    parser.add_argument(
        "weights",
        nargs="*",
        metavar="WEIGHTS",
        help=f"some of {', '.join(ALL)} (default: for ComfyUI {' '.join(FOR_COMFYUI)}, else "
        f"{' '.join(FOR_COMMAND_LINE)})",
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="ComfyUI's folder models (default: if found)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="any other folder, not ordered as ComfyUI's is")
    parser.add_argument("--yes", action="store_true", help="the licences are accepted, do not ask")
    parser.add_argument("--list", action="store_true", help="only say what to fetch from where, and fetch nothing")
    parser.set_defaults(run=_download, may_fetch=True)


def _download(args: argparse.Namespace) -> None:
    from ..weights.download import DownloadError, by_hand, find_models, homes, licences, plan, show_size

    if args.models and args.folder:
        raise SMCDError("--models and --folder are both given: choose one")
    if unknown := [name for name in args.weights if name not in ALL]:
        raise SMCDError(f"no weights are called {unknown[0]!r}: choose of {', '.join(ALL)}")
    models = None if args.folder else args.models or find_models()
    if models is None and args.folder is None:
        raise SMCDError(
            "where to? No ComfyUI was found: give its folder models with --models DIR, or any folder with --folder DIR"
        )
    names = args.weights or (FOR_COMFYUI if models else FOR_COMMAND_LINE)
    items = plan(dict.fromkeys(names), lambda place: models / place if models else args.folder)
    if args.list:
        print("\n".join(by_hand(items)))
        return
    print("\n".join(licences(items)))
    if rest := [item for item in items if not item.is_there]:
        print(f"\n{show_size(sum(item.file.size for item in rest))} in {len(rest)} files are to be fetched.")
        _accept_licences(args.yes)
    try:
        _fetch_all(items)
    except DownloadError:
        print("\nby hand\n" + "\n".join(by_hand(item for item in items if not item.is_there)), file=sys.stderr)
        raise
    for weights, home in homes(items):
        print(f"{weights.title}\n  {home}\n  for {weights.use}")


def _accept_licences(accepted: bool) -> None:
    if accepted:
        return
    if not sys.stdin.isatty():
        raise SMCDError("nobody can be asked here, so nothing was fetched: --yes says that the licences are accepted")
    answer = input("Are all licences accepted, and may they be fetched? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise SMCDError("the licences were not accepted, so nothing was fetched")


def _fetch_all(items: list[Item]) -> None:
    from tqdm import tqdm

    from ..weights.download import fetch

    for item in items:
        with tqdm(desc=item.path.name[-40:], unit="B", unit_scale=True, leave=False, disable=None) as bar:

            def show(done: int, size: int, bar: tqdm = bar) -> None:
                bar.total = size
                bar.update(done - bar.n)

            fetched = fetch(item, show)
        print(f"{'fetched' if fetched else 'kept':<9}{item.path}", file=sys.stderr)
