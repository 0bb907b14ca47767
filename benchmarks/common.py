"""Result files and table cells that all benchmarks share."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lossless_ros.evaluation.episode_table import STAGES
from lossless_ros.evaluation.statistics import wilson_interval
from lossless_ros.files import write_atomically

RESULTS = Path(__file__).resolve().parent / "results"
SHOWN_STAGES = STAGES[:-1]  # in tables; the last one nearly always coincides with success


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
