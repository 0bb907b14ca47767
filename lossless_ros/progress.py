"""Output of the command line: progress bar, lines on stderr, one JSON document."""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from lossless_ros.errors import LosslessError
from lossless_ros.text import clean

LONGEST_SILENCE_S = 5.0  # between lines of a progress that is no bar


def echo(line: str) -> None:
    """Print one line on standard error, cleaned of what is no text; standard output is for JSON."""
    print(clean(line), file=sys.stderr, flush=True)


def write_json(path: Path | None, document: dict[str, Any]) -> None:
    """Write a JSON document to `path` (- is standard output, None nowhere).

    Raises:
        LosslessError: the file cannot be written.
    """
    if path is None:
        return
    text = json.dumps(document, indent=1)
    if str(path) == "-":
        print(text)
        return
    try:
        path.write_text(text + "\n")
    except OSError as error:
        raise LosslessError(f"cannot write {path}: {error.strerror}") from None


class Progress:
    """A progress bar on a terminal; elsewhere lines, at every tenth of the work and at least every few seconds.

    Both show how long the work will take, from its pace so far.

    Args:
        title: of the work.
        total: number of its parts, or None if it comes with the updates; the first of them is then where it begins.
    """

    def __init__(self, title: str, total: int | None) -> None:
        self._title, self._total, self._done, self._note = title, total, 0, ""
        self._pace = Pace(None if total is None else 0)
        self._sized = total is not None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._printed = self._started = time.monotonic()

    def __enter__(self) -> "Progress":
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._terminal = sys.stderr.isatty()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        times = (TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
        self._bar = Bar(*columns, *times, console=Console(stderr=True), disable=not self._terminal)
        self._bar.start()
        self._task = self._bar.add_task(self._title, total=self._total, left="")
        self._thread = threading.Thread(target=self._keep_moving, name="progress", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._bar.stop()

    def advance(self, note: str = "") -> None:
        """Count one more part as done."""
        self.update(self._done + 1, self._total, note)

    def update(self, done: int, total: int | None, note: str = "") -> None:
        """Show that `done` of `total` parts are done; `note` follows the title."""
        with self._lock:
            before, self._done, self._total, self._note = self._done, done, total, note
            self._pace.update(done)
            if self._terminal:
                self._draw()
            elif total is None or done == total or 10 * done // total > 10 * before // total or done < before:
                self._print()

    def _keep_moving(self) -> None:
        """Show the time that passes while no part ends."""
        while not self._ended.wait(0.5):
            with self._lock:
                if self._terminal:
                    self._draw()
                elif self._has_begun and time.monotonic() - self._printed >= LONGEST_SILENCE_S:
                    self._print()

    @property
    def _has_begun(self) -> bool:
        """Whether work is done, or its size is known from the start; before that a mistake may end it in one line."""
        return self._done > 0 or self._sized

    def _draw(self) -> None:
        description = clean(f"{self._title} {self._note}")
        self._bar.update(
            self._task, completed=self._done, total=self._total, description=description, left=self._left()
        )

    def _print(self) -> None:
        self._printed = time.monotonic()
        parts = f"{self._title} {self._done}{f' of {self._total}' if self._total else ''} {self._note}".rstrip()
        echo(", ".join(filter(None, [parts, duration(self._printed - self._started), self._left()])))

    def _left(self) -> str:
        seconds = self._pace.left(self._total)
        return "" if seconds is None or self._done == self._total else f"about {duration(seconds)} left"


class Pace:
    """The pace of some work, since it began or began again with another part.

    Args:
        begin: how much is done at this moment; None: what the first update says.
    """

    def __init__(self, begin: int | None) -> None:
        self._begin = None if begin is None else (time.monotonic(), begin)
        self._done = begin or 0

    def update(self, done: int) -> None:
        """Note that `done` is done; less than before means that another part of the work has begun."""
        if self._begin is None or done < self._done:
            self._begin = (time.monotonic(), done)
        self._done = done

    def left(self, total: int | None) -> float | None:
        """Return the time left until `total` [s]; None as long as nothing says how long it takes."""
        if self._begin is None or total is None or self._done <= self._begin[1]:
            return None
        since, begin = self._begin
        return (time.monotonic() - since) / (self._done - begin) * max(total - self._done, 0)


class EpisodeProgress:
    """Progress of simulated episodes by steps, which take seconds where an episode takes a minute.

    Args:
        update: of a `Progress`.
        episodes: number of episodes.
        max_steps: longest episode; as long as those that are not finished are expected to be, unless finished ones
            were shorter.
    """

    def __init__(self, update: Callable[[int, int, str], object], episodes: int, max_steps: int) -> None:
        self._update, self._episodes, self._max_steps = update, episodes, max_steps
        self._finished = self._finished_steps = self._kept = self._steps = 0
        if episodes > 0:  # else an error follows
            self._show()

    def on_steps(self, count: int) -> None:
        """Count steps of episodes that run."""
        self._steps += count
        self._show()

    def on_episode(self, episode: dict[str, Any]) -> None:
        """Count a finished episode; those that come before any step existed already."""
        if self._steps:
            self._finished += 1
            self._finished_steps += int(episode.get("steps", 0))
        else:
            self._kept += 1
        self._show()

    def _show(self) -> None:
        todo = self._episodes - self._kept
        mean = self._finished_steps / self._finished if self._finished_steps else self._max_steps
        total = max(round(todo * mean), self._steps) if self._finished < todo else self._steps
        self._update(self._steps, total, f"steps, {self._kept + self._finished} of {self._episodes} episodes")


def duration(seconds: float) -> str:
    """Return a time in words, such as 40 s, 3 min or 2 h 10 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
