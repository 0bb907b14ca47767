"""The one error that users see: a single line that says what was wrong and what would be right."""

from collections.abc import Iterable


class LosslessError(Exception):
    """A mistake of the user's; its text is one line. The command line prints it and exits with 2."""


def unknown(what: str, name: str, known: Iterable[str]) -> LosslessError:
    """An unknown `name` of a kind of thing (`what`), with the known names in the message."""
    return LosslessError(f"unknown {what} '{name}'; known: {', '.join(sorted(known)) or 'none'}")
