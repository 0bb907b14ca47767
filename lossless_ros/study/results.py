"""What a study leaves for reading: summary.json, runs.csv, table.md and plot.svg, made again after every policy."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lossless_ros.evaluation.plots import write_success_rates
from lossless_ros.files import temporary_path, write_atomically
from lossless_ros.study.config import suite_name

Cell = dict[str, Any]
_EMPTY = "–"


def write_results(folder: Path, summary: dict[str, Any]) -> None:
    """Write the files of a summary (see `summary.summarize`) into a folder.

    Raises:
        LosslessError: a file cannot be written.
    """
    write_atomically(folder / "summary.json", (json.dumps(summary, indent=1) + "\n").encode())
    write_atomically(folder / "table.md", "\n".join(markdown(summary)).encode())
    if summary["policies"]:
        write_atomically(folder / "runs.csv", _csv(summary["policies"]).encode())
        _write_plot(folder / "plot.svg", summary)


def markdown(summary: dict[str, Any]) -> list[str]:
    """Return the tables of a summary as lines: a row per run, a column per suite, then the tasks of each suite."""
    cells = summary["cells"]
    lines = [
        "# Success",
        "",
        "Success rate, Wilson's 95 % interval and number of episodes, over all training seeds. The second line is the "
        "difference from the reference in points with its 95 % interval, paired by episode.",
        "",
        *_table(summary, _overview(cells)),
    ]
    for suite in dict.fromkeys(cell["task"] for cell in cells if _is_suite(cell)):
        own = [cell for cell in cells if suite_name(cell["task"]) == suite and not _is_suite(cell)]
        lines += ["", f"## Tasks of {suite}", "", *_table(summary, own)]
    lines += _checkpoints([cell for cell in cells if "checkpoints" in cell])
    if summary["failed"]:
        lines += ["", "## Failed", ""]
        lines += [
            f"- {p['run']}, {p['task']}, training seed {p['training_seed']}: {p['error']}" for p in summary["failed"]
        ]
    return [*lines, ""]


def _overview(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells of suites, and those of tasks that are alone in their suite."""
    suites = {cell["task"] for cell in cells if _is_suite(cell)}
    return [cell for cell in cells if _is_suite(cell) or suite_name(cell["task"]) not in suites]


def _is_suite(cell: Cell) -> bool:
    return "/" not in cell["task"]


def _column(cell: Cell) -> str:
    return f"{cell['task']}, {cell['domain']}"


def _table(summary: dict[str, Any], cells: Sequence[Cell]) -> list[str]:
    """Return a table of these cells with a row per run."""
    columns = list(dict.fromkeys(map(_column, cells)))
    rows = []
    for run in dict.fromkeys(cell["run"] for cell in cells):
        mine = [cell for cell in cells if cell["run"] == run]
        found = {_column(cell): _rate(cell) + _difference(cell) for cell in mine}
        failures = sum(policy["run"] == run for policy in summary["failed"])
        backbone = " ".join(filter(None, [mine[0]["backbone"], mine[0]["weights"]]))
        trained = next(policy["trained_parameters"] for policy in summary["policies"] if policy["run"] == run)
        name = f"{run} ({failures} failed)" if failures else run
        rows.append([backbone, name, mine[0]["mode"], f"{trained:,}", *(found.get(c, _EMPTY) for c in columns)])
    return _markdown(["backbone", "run", "mode", "trained parameters", *columns], rows)


def _checkpoints(cells: Sequence[Cell]) -> list[str]:
    """Return the table on the choice of a checkpoint; nothing without any cell."""
    rows = []
    for cell in cells:
        choices = cell["checkpoints"]
        mean, compared = choices["mean"], choices["rollouts_against_loss"]
        chosen = [_rate(choices[name]) for name in ("best", "by_rollouts", "by_held_out_loss")]
        both = [cell["run"], _column(cell), _rate(cell), _percent(mean["rate"], mean)]
        rows.append([*both, *chosen, _points(compared)])
    if not rows:
        return []
    last = "by rollouts against by held-out loss"
    names = ["run", "task", "last", "mean", "best (optimistic)", "by rollouts", "by held-out loss", last]
    return [
        "",
        "## Choice of a checkpoint",
        "",
        f"Of the last {len(cells[0]['checkpoints']['steps'])} validations of each policy. The mean has the interval of "
        "the episodes of one checkpoint. The best one is chosen on the very episodes that it is counted on, which is "
        "optimistic. By rollouts: chosen on one half of the episodes, counted on the other.",
        "",
        *_markdown(names, rows),
    ]


def _rate(cell: Cell) -> str:
    return _percent(cell["successes"] / cell["n"], cell) if cell["n"] else _EMPTY


def _percent(rate: float, cell: Cell) -> str:
    low, high = cell["interval_95"]
    return f"{100 * rate:.0f} % [{100 * low:.0f}, {100 * high:.0f}], n {cell['n']}"


def _difference(cell: Cell) -> str:
    compared = cell.get("against_reference")
    return f"<br>{_points(compared)} against {cell['reference']}" if compared and compared["n"] else ""


def _points(compared: Cell) -> str:
    low, high = compared["interval_95"]
    return f"{100 * compared['difference']:+.0f} [{100 * low:+.0f}, {100 * high:+.0f}]"


def _markdown(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (names, ["---"] * len(names), *rows)]


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write_plot(path: Path, summary: dict[str, Any]) -> None:
    cells = _overview(summary["cells"])
    series: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        series.setdefault(cell["run"], {})[_column(cell)] = cell
    part = temporary_path(path, ".svg")
    write_success_rates(part, list(dict.fromkeys(map(_column, cells))), series)
    part.rename(path)
