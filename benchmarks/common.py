"""Result files and table cells that all benchmarks share."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lossless_ros.evaluation.compare import compare
from lossless_ros.evaluation.episode_result import count_stages
from lossless_ros.evaluation.statistics import wilson_interval
from lossless_ros.files import write_atomically
from lossless_ros.simulation.env import STAGES

RESULTS = Path(__file__).resolve().parent / "results"
SHOWN_STAGES = STAGES[:-1]  # in tables; the last one nearly always coincides with success

Row = Mapping[str, Any]


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append_rows(path: Path, rows: Sequence[Row]) -> None:
    """Append rows to a CSV file, after the column names if it is new. One write, so that processes can share it."""
    if not rows:
        return
    columns = list(rows[0])
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        writer.writeheader()
    writer.writerows({name: _text(value) for name, value in row.items()} for row in rows)
    with path.open("a", newline="") as file:
        file.write(text.getvalue())


def write_summary(path: Path, document: Mapping[str, Any], tables: Sequence[str]) -> None:
    """Write a JSON document with a line per key, and a line per entry of the mappings named in `tables`."""
    lines = []
    for key, value in document.items():
        text = json.dumps(value)
        if key in tables:
            entries = [f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in value.items()]
            text = "{\n" + ",\n".join(entries) + "\n }"
        lines.append(f" {json.dumps(key)}: {text}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def read_summary(path: Path) -> dict[str, Any]:
    """Return a JSON document; empty if there is no such file."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def episode_row(episode: Row) -> dict[str, Any]:
    """Return the columns of one episode of an evaluation document."""
    return {
        "seed": episode["seed"],
        "success": episode["success"],
        "first_success_s": episode["first_success_s"],
        "stage": episode["phase"],
    }


def totals(rows: Sequence[Row]) -> dict[str, Any]:
    """Return n, successes, Wilson's 95 % interval and the number of episodes that got at least to each stage."""
    successes = count_successes(rows)
    return {
        "n": len(rows),
        "successes": successes,
        "interval_95": [round(bound, 4) for bound in wilson_interval(successes, len(rows))],
        "stages": count_stages([{"phase": row["stage"]} for row in rows]),
    }


def count_successes(rows: Iterable[Row]) -> int:
    return sum(int(row["success"]) for row in rows)


def select(rows: Iterable[dict[str, str]], **values: object) -> list[dict[str, str]]:
    """Return the rows that have these values."""
    return [row for row in rows if all(row[name] == str(value) for name, value in values.items())]


def paired(first: Iterable[Row], second: Iterable[Row], at_least: str = "") -> dict[str, Any]:
    """Compare two policies on the episodes that both ran (same seed and, if there is one, same training seed).

    Args:
        at_least: count an episode from this stage on, in place of success at its end.

    Returns:
        What `lossless_ros.evaluation.compare.compare` returns.
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


PAIR_COLUMNS = ("n", "both", "only first", "only second", "neither", "difference", "McNemar's p")


def pair_cells(result: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the cells of a paired comparison under PAIR_COLUMNS; the difference is in percentage points."""
    counts = (result[name] for name in ("n", "both", "only_ours", "only_theirs", "neither"))
    low, high = (100 * bound for bound in result["interval_95"])
    return (*counts, f"{100 * result['difference']:+.1f} ({low:+.1f} to {high:+.1f})", p_value(result["p_value"]))


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    head, *body = (f"| {' | '.join(map(str, cells))} |" for cells in (columns, *rows))
    return "\n".join([head, "|---" * len(columns) + "|", *body])


def interval(successes: int, n: int) -> str:
    """Return Wilson's 95 % interval of a rate, such as `19 to 44 %`."""
    low, high = (f"{100 * bound:.0f}" for bound in wilson_interval(successes, n))
    return f"{low} to {high} %"


def percent(successes: int, n: int) -> str:
    """Return a rate with its interval, such as `29 % (21 to 39)`."""
    return f"{100 * successes / n:.0f} % ({interval(successes, n).removesuffix(' %')})"


def p_value(p: float) -> str:
    """Return a p-value with two significant digits."""
    return "< 0.00001" if p < 1e-5 else f"{p:.2f}" if p >= 0.1 else f"{float(f'{p:.1g}'):f}".rstrip("0")


def _text(value: object) -> str:
    """Return a CSV cell: flags as 0 or 1, floats with 5 significant digits."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(f"{value:.5g}"))
    return str(value)
