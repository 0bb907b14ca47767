"""Errors of the simulator: one line each, which names what is valid."""

from collections.abc import Iterable


class SimError(Exception):
    """Invalid input: an unknown name, an invalid action, an unreadable file. The message is one line."""


class UnstableError(SimError):
    """The physics diverged or raised a warning; the episode has to be discarded."""


def unknown(what: str, name: object, known: Iterable[str]) -> SimError:
    """Return the error for an unknown `name` of some kind (`what`); the message lists the known names."""
    return SimError(f"unknown {what} '{name}'; known: {', '.join(known) or 'none'}")
