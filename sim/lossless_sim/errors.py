"""The one error of the simulator that users see: a single line that says what would be right."""

from collections.abc import Iterable


class SimError(Exception):
    """A mistake of the user's (unknown name, bad action, bad file); its text is one line."""


class UnstableError(SimError):
    """The physics went to infinity or warned; what the episode held is no data."""


def unknown(what: str, name: object, known: Iterable[str]) -> SimError:
    """An unknown `name` of a kind of thing (`what`), with the known names in the message."""
    return SimError(f"unknown {what} '{name}'; known: {', '.join(known) or 'none'}")
