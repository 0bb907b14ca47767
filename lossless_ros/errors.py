"""Errors for users: one line each, what was wrong and what would be right."""

from collections.abc import Iterable

from lossless_ros.text import clean


class LosslessError(Exception):
    """Invalid input; its text is one line. The command line prints it and exits with status 2."""

    def __str__(self) -> str:
        return clean(super().__str__())


class DataError(ValueError):
    """A ROS message that cannot be used; the text says why."""

    def __str__(self) -> str:
        return clean(super().__str__())


def unknown(what: str, name: str, known: Iterable[str]) -> LosslessError:
    """Return the error for an unknown `name` of a kind (`what`); its message lists the known names."""
    return LosslessError(f"unknown {what} '{name}'; known: {', '.join(sorted(known)) or 'none'}")
