"""How long the rest of a study takes, from the parts that are done."""

from collections.abc import Sequence
from dataclasses import dataclass

from lossless_ros.progress import duration


@dataclass(frozen=True)
class Work:
    """Some work of one kind, such as training steps, of one run and task."""

    kind: str
    name: str
    amount: int


class Estimate:
    """The time per unit of each kind of work in this process, of the same run and task where that is known."""

    def __init__(self) -> None:
        self._spent: dict[tuple[str, str], tuple[float, int]] = {}  # [s], amount

    def note(self, work: Work, seconds: float) -> None:
        """Note that some work took so long."""
        for key in ((work.kind, work.name), (work.kind, "")):
            before, amount = self._spent.get(key, (0.0, 0))
            self._spent[key] = (before + seconds, amount + work.amount)

    def describe(self, left: Sequence[Work]) -> str:
        """Return the work that is left and the time for it, as one line.

        The time is a lower bound while there is a kind of work that was not done yet.
        """
        kinds = dict.fromkeys(work.kind for work in left)
        amounts = [f"{sum(work.amount for work in left if work.kind == kind)} {kind}" for kind in kinds]
        known = [(work, self._pace(work)) for work in left]
        seconds = sum(work.amount * pace for work, pace in known if pace is not None)
        about = "at least" if any(pace is None for _, pace in known) else "about"
        return ", ".join(amounts) + (f": {about} {duration(seconds)}" if seconds else "")

    def _pace(self, work: Work) -> float | None:
        """Return the time per unit [s]; None if no such work was done."""
        seconds, amount = self._spent.get((work.kind, work.name)) or self._spent.get((work.kind, ""), (0.0, 0))
        return seconds / amount if amount else None
