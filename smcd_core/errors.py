"""The base of all errors that a user can mend."""

from __future__ import annotations

from collections.abc import Collection

from .terminal import inert


class SMCDError(ValueError):
    """Base of every error that smcd_core raises on purpose; the message says what was found and what to do.

    Messages quote files and values of others, so they are made inert.
    """

    def __str__(self) -> str:
        return inert(super().__str__())


def nearest(word: str, known: Collection[str]) -> str | None:
    """The name that was probably meant; None if none is like it."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word.lower(), known, 1)), None)
