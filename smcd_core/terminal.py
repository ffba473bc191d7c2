"""Show text that others wrote: phrases, file names, metadata, and messages that quote them.

Such text may hold escape sequences, which move the cursor, rename the window or type for the user, and may be millions
of characters long.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, TextIO

MOST = 2000  # characters of a line or message
# Control characters with tab and line feed, line separators, marks that turn the direction of text, and halves of
# surrogate pairs, which no terminal can encode.
_ACTIVE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def inert(text: object, most: int = MOST) -> str:
    """Make one line of any text that does nothing but appear, of at most `most` characters."""
    line = str(text)
    cut = line if len(line) <= most else f"{line[: most - 1]}\u2026"
    return _ACTIVE.sub(lambda found: " " if found[0] in "\t\r\n\u2028\u2029" else f"\\x{ord(found[0]):02x}", cut)


def say(text: object = "", file: TextIO | None = None) -> None:
    """Print text whose lines are made inert."""
    lines = str(text).split("\n")
    print("\n".join(map(inert, lines)), file=file or sys.stdout, flush=True)


def say_json(value: Any) -> None:
    """Print JSON for people and programs: whole, with active characters escaped as JSON does it."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    print("\n".join(_ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", line) for line in text.split("\n")))
