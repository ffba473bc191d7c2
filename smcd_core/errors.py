"""The base of all errors that a user can mend."""

from .terminal import inert


class SMCDError(ValueError):
    """Base of every error that smcd_core raises on purpose; the message says what was found and what to do.

    Messages quote files and values of others, so they are made inert.
    """

    def __str__(self) -> str:
        return inert(super().__str__())
