"""Write docs/options.md, the options of all commands as their help has them: python docs/options.py"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from smcd_core.__main__ import make_parser
from smcd_core.commands import COMMANDS

PAGE = Path(__file__).parent / "options.md"
START = """# All options

What `smcd COMMAND --help` says, on one page; [command_line.md](command_line.md) explains how the commands are used.
`python docs/options.py` writes this page.
"""


def page() -> str:
    return START + "".join(f"\n## {name}\n\n{said}.\n\n{table(parser)}" for name, said, parser in parsers())


def parsers() -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """The name of each command and of each of its actions, what it does, and its parser."""
    commands = _inner(make_parser())
    for name, said in COMMANDS.items():
        actions = _inner(commands.choices[name])
        if actions is None:
            yield f"smcd {name}", _sentence(said), commands.choices[name]
            continue
        for help in actions._choices_actions:
            yield f"smcd {name} {help.dest}", _sentence(help.help or ""), actions.choices[help.dest]


def _inner(parser: argparse.ArgumentParser) -> argparse._SubParsersAction | None:
    return next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def table(parser: argparse.ArgumentParser) -> str:
    rows = [row(parser, action) for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    return "\n".join(["| option | |", "|---|---|", *rows]) + "\n"


def row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    said = (action.help or "") % {"prog": parser.prog, **vars(action)}
    if action.choices:
        said = f"one of {', '.join(map(str, action.choices))}: {said}"
    if action.required and action.option_strings:
        said += "; required"
    name = ", ".join(action.option_strings)
    takes = "" if action.nargs == 0 or (action.choices and action.option_strings) else value(action)
    return f"| `{f'{name} {takes}'.strip()}` | {said} |".replace("N | W", r"N \| W")


def value(action: argparse.Action) -> str:
    """The stand-in for the value of an option, or for a positional argument."""
    shown = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if isinstance(shown, tuple):
        return " ".join(shown)
    return (
        " ".join([shown] * action.nargs)
        if isinstance(action.nargs, int)
        else shown + " ..." * (action.nargs in ("+", "*"))
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
