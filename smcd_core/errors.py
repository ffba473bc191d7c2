"""The family of errors that a user can mend."""


class SMCDError(ValueError):
    """Base of every error that smcd_core raises on purpose: its message says what was found and what to do."""
