"""The command line: smcd, or python -m smcd_core."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from . import __version__

# Modules of smcd_core.commands; each adds its parsers, whose `run` does the work and imports what is heavy.
COMMANDS = ("animate", "convert", "info", "download", "train", "evaluate", "data", "finetune")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"smcd: error: {message} (see {self.prog} --help)\n")


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="smcd", description="Animate a picture along bounding boxes.")
    parser.add_argument("--version", action="version", version=f"smcd {__version__}")
    subparsers = parser.add_subparsers(metavar="command", required=True)
    for name in COMMANDS:
        importlib.import_module(f".commands.{name}", __package__).add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit code: 0, 1 if nobody reads on, 2 for what the user can mend, 130 after Ctrl-C."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every console or pipe of Windows has every character
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # As in smcd info | head -1. The flush at exit would fail once more, loudly: it goes nowhere instead.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(argv: Sequence[str] | None) -> int:
    args = make_parser().parse_args(argv)
    # Nothing is ever fetched, unless that is what the command is for; and the libraries' remarks are not for users.
    if not getattr(args, "may_fetch", False):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    try:
        args.run(args)
    except KeyboardInterrupt:
        print("\nsmcd: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except (ValueError, OSError, ImportError, MemoryError, RuntimeError) as error:
        message = _explain(error)
        if message is None:
            raise
        print(f"smcd: error: {message}", file=sys.stderr)
        return 2
    return 0


def _explain(error: Exception) -> str | None:
    """One line for what the user can mend; None for a fault of the program, whose traceback is wanted."""
    if isinstance(error, ImportError):
        return f"the package {error.name} is not installed: pip install {error.name}" if error.name else None
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    text = " ".join(str(error).split())
    if isinstance(error, (MemoryError, RuntimeError)):
        is_memory = isinstance(error, MemoryError) or "memory" in text.lower()
        return f"out of memory: use fewer --frames or a smaller --size ({text[:150]})" if is_memory else None
    return text


if __name__ == "__main__":
    sys.exit(main())
