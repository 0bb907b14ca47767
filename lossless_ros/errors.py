"""Errors that users see, each a single line: what was wrong, and what would be right."""

from collections.abc import Iterable


class LosslessError(Exception):
    """A mistake of the user's; its text is one line. The command line prints it and exits with 2."""


class DataError(ValueError):
    """A ROS message that cannot be used; the text says why."""


def unknown(what: str, name: str, known: Iterable[str]) -> LosslessError:
    """An unknown `name` of a kind of thing (`what`), with the known names in the message."""
    return LosslessError(f"unknown {what} '{name}'; known: {', '.join(sorted(known)) or 'none'}")
