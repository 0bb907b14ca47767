"""Episodes of evaluations as rows of a CSV file, and what follows from them."""

import csv
import fcntl
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lossless_ros.evaluation.compare import compare
from lossless_ros.evaluation.episode_result import count_stages
from lossless_ros.evaluation.statistics import wilson_interval

Row = Mapping[str, Any]
STAGES = ("reached", "grasped", "lifted", "above", "placed", "left")  # of RGB-stacking


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append_rows(path: Path, rows: Sequence[Row]) -> None:
    """Append rows to a CSV file, after the column names if it is new. Processes can share it."""
    if not rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)  # released when the file is closed
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        if file.seek(0, io.SEEK_END) == 0:
            writer.writeheader()
        writer.writerows({name: _text(value) for name, value in row.items()} for row in rows)
        file.write(text.getvalue())


def select(rows: Iterable[dict[str, str]], **values: object) -> list[dict[str, str]]:
    """Return the rows that have these values."""
    return [row for row in rows if all(row[name] == str(value) for name, value in values.items())]


def episode_row(episode: Row) -> dict[str, Any]:
    """Return the columns of one episode of an evaluation document."""
    return {
        "seed": episode["seed"],
        "success": episode["success"],
        "first_success_s": episode["first_success_s"],
        "stage": episode["phase"],
    }


def count_successes(rows: Iterable[Row]) -> int:
    return sum(int(row["success"]) for row in rows)


def totals(rows: Sequence[Row], stages: Sequence[str] = STAGES) -> dict[str, Any]:
    """Return n, successes, Wilson's 95 % interval and the number of episodes that got at least to each stage."""
    successes = count_successes(rows)
    return {
        "n": len(rows),
        "successes": successes,
        "interval_95": [round(bound, 4) for bound in wilson_interval(successes, len(rows))],
        "stages": count_stages([{"phase": row["stage"]} for row in rows], stages),
    }


def paired(first: Iterable[Row], second: Iterable[Row], at_least: str = "") -> dict[str, Any]:
    """Compare two policies on the episodes that both ran (same seed and, if there is one, same training seed).

    Args:
        at_least: count an episode from this stage on, in place of success at its end.

    Returns:
        What `compare.compare` returns.
    """
    counted = STAGES[STAGES.index(at_least) :] if at_least else ()

    def document(rows: Iterable[Row]) -> dict[str, Any]:
        return {
            "episodes": [
                {
                    "seed": (row.get("training_seed", ""), row["seed"]),
                    "success": row["stage"] in counted if at_least else row["success"] == "1",
                }
                for row in rows
            ]
        }

    return compare(document(first), document(second))


def _text(value: object) -> str:
    """Return a CSV cell: flags as 0 or 1, floats with 5 significant digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(f"{value:.5g}"))
    return str(value)
