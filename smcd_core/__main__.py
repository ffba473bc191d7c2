"""The command line: smcd, or python -m smcd_core."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NoReturn

from . import __version__
from .commands import COMMANDS
from .errors import SMCDError, nearest
from .terminal import say


class _Parser(argparse.ArgumentParser):
    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Name the choice that was probably meant, as argparse does from Python 3.14 on."""
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            if near := nearest(str(value), [*map(str, action.choices or ())]):
                raise argparse.ArgumentError(action, f"{error.message}: did you mean {near!r}?") from None
            raise

    def parse_known_args(  # type: ignore[override]  # whose overloads differ in the type of the namespace alone
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        """Refuse an option that there is not, with the one that was probably meant.

        This comes first, as a mistyped option that is required would be called missing.
        """
        given = list(sys.argv[1:] if args is None else args)
        for argument in self._own(given):
            name = argument.partition("=")[0]
            known = {name, name[:2]} if name[:2] != "--" else {name}  # -oout.mp4 is -o out.mp4
            if not any(option in known or option.startswith(name) for option in self._option_string_actions):
                self._refuse_unknown(name)
        found, unknown = super().parse_known_args(given, namespace)
        if unknown:
            self._refuse_unknown(" ".join(unknown))
        return found, unknown

    def _own(self, arguments: list[str]) -> Iterator[str]:
        """The options for this parser, not a command's. A word with a space in it, or a number, is a value."""
        for argument in arguments:
            if argument == "--" or (self._subparsers and not argument.startswith("-")):
                return
            if re.match(r"--?[a-zA-Z][^ ]*$", argument):
                yield argument

    def _refuse_unknown(self, given: str) -> NoReturn:
        name = given.split()[0]
        if owners := _commands_with(name):
            self.error(f"unrecognized arguments: {given}: {name} is an option of {', '.join(owners)}")
        near = nearest(name, self._option_string_actions) if name.startswith("-") else None
        self.error(f"unrecognized arguments: {given}" + (f": did you mean {near}?" if near else ""))

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"smcd: error: {message} (see {self.prog} --help)\n")


def make_parser(commands: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """The parser of the program.

    commands  those that get their options; the others have only their line in the help, and are not imported
    """
    parser = _Parser(prog="smcd", description="Animate an image along bounding boxes.")
    parser.add_argument("--version", action="version", version=f"smcd {__version__}")
    subparsers = parser.add_subparsers(metavar="command", required=True)
    for name, said in COMMANDS.items():
        command = subparsers.add_parser(name, help=said)
        if name in commands:
            importlib.import_module(f".commands.{name.replace('-', '_')}", __package__).add_options(command)
    return parser


def _commands_with(option: str) -> list[str]:
    """The commands, as people type them, that have a long option."""
    found: list[str] = []
    parsers = [make_parser()] if option.startswith("--") else []
    while parsers:
        parser = parsers.pop(0)
        name = option.partition("=")[0]
        if name in parser._option_string_actions:
            found.append(parser.prog)
        nested = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        parsers += [one for action in nested for one in action.choices.values()]
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    returns  exit code: 0, 1 if the reader of a pipe is gone, 2 for an error that the user can mend, 130 after Ctrl-C

    Other errors are bugs and keep their traceback; SMCD_DEBUG=1 adds it to the rest.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # consoles and pipes on Windows lack some characters
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # As in smcd info | head -1. The flush at exit would fail again, so its output goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(argv: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if argv is None else argv)
    if not given:
        make_parser(()).print_help()
        return 0
    args = make_parser(given).parse_args(given)  # options before the command, --help and --version, take no value
    # Nothing is downloaded unless the command says so, and users do not see the libraries' warnings.
    if not getattr(args, "may_fetch", False):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    try:
        args.run(args)
    except KeyboardInterrupt as stop:
        say("\nsmcd: stopped" + (f": {stop}" if str(stop) else ""), sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:
        message = _explain(error, getattr(args, "extra", "cli"))
        if message is None:
            raise
        if os.environ.get("SMCD_DEBUG") == "1":
            import traceback

            traceback.print_exc()
        say(f"smcd: error: {message}", sys.stderr)
        return 2
    return 0


def _explain(error: Exception, extra: str = "cli") -> str | None:
    """One line for an error that the user can mend; None for a bug, whose traceback is needed.

    extra  what the packages of the command are called in pyproject.toml
    """
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.split(".")[0] != __package__:
        return f"the package {_advice(error.name.split('.')[0], extra)}"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    text = " ".join(str(error).split())
    if _is_out_of_memory(error):
        return f"out of memory: use fewer --frames or a smaller --size ({text[:150]})"
    return text if isinstance(error, SMCDError | OSError) else None


def _advice(module: str, extra: str) -> str:
    """The name of a missing package, and how it is installed: alone, or with the extra that has it.

    extra  named instead of "cli", which it includes, so that the next package is not missing too
    """
    from importlib.metadata import PackageNotFoundError, requires

    package = {"PIL": "pillow", "skimage": "scikit-image", "yaml": "pyyaml"}.get(module, module)
    text = f"{package} is not installed: pip install {package}"
    try:
        listed = requires("smcd") or []
    except PackageNotFoundError:  # run in a clone
        return text
    found = (re.match(rf"""{re.escape(package)}\b.*extra == ["'](\w+)""", line) for line in listed)
    own = next((match[1] for match in found if match), None)
    name = extra if own == "cli" else own
    return f'{text}, or pip install "smcd[{name}]" for all that its commands need' if name else text


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on a GPU or for Python, numpy (MemoryError) or torch on a CPU (a plain RuntimeError)."""
    torch = sys.modules.get("torch")  # if nothing has imported it, it has raised nothing
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


if __name__ == "__main__":
    sys.exit(main())
