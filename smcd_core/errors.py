"""The base of all errors that a user can mend."""


class SMCDError(ValueError):
    """Base of every error that smcd_core raises on purpose; the message says what was found and what to do."""
