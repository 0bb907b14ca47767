"""Output of the command line: progress bar, lines on stderr, one JSON document."""

import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from lossless_ros.errors import LosslessError


def echo(line: str) -> None:
    """Print one line on standard error; standard output is for JSON."""
    print(line, file=sys.stderr, flush=True)


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
    """A progress bar on a terminal; elsewhere a line per tenth of the work."""

    def __init__(self, title: str, total: int | None) -> None:
        self._title, self._total, self._done = title, total, 0

    def __enter__(self) -> "Progress":
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._terminal = sys.stderr.isatty()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        times = (TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, *times, console=Console(stderr=True), disable=not self._terminal)
        self._bar.start()
        self._task = self._bar.add_task(self._title, total=self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self, note: str = "") -> None:
        """Count one more item as done."""
        self.update(self._done + 1, self._total, note)

    def update(self, done: int, total: int | None, note: str = "") -> None:
        """Show that `done` of `total` items are done; `note` follows the title."""
        before, self._done, self._total = self._done, done, total
        if self._terminal:
            description = f"{self._title} {note}".strip()
            self._bar.update(self._task, completed=done, total=total, description=description)
        elif total is None or done == total or 10 * done // total > 10 * before // total:
            echo(f"{self._title} {done}{f' of {total}' if total else ''} {note}".rstrip())
