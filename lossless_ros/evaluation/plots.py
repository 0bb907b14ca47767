"""Plots for the report pages, as inline SVG."""

from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.errors import LosslessError

_BLUE, _ORANGE, _GRAY = "#2563eb", "#ea580c", "#94a3b8"


def learning_curve(curve: Sequence[dict[str, float]]) -> str:
    """Return training and held-out loss over steps as SVG; `curve` has step, train_loss and held_out_loss or None."""

    return _svg(lambda axes: _draw_curve(axes, curve), 1, (7, 2.8))


def write_learning_curve(path: Path, curve: Sequence[dict[str, float]]) -> None:
    """Write the same plot to a file (.png, .svg, .pdf).

    Raises:
        LosslessError: the file cannot be written.
    """
    try:
        _save(path, path.suffix[1:], lambda axes: _draw_curve(axes, curve), 1, (7, 3.5), {})
    except OSError as error:
        raise LosslessError(f"cannot write {path}: {error.strerror}") from None


def write_success_rates(path: Path, columns: Sequence[str], rows: Mapping[str, Mapping[str, dict[str, Any]]]) -> None:
    """Write a plot of success rates with their intervals to a file (.png, .svg, .pdf).

    Args:
        path: the file.
        columns: groups of points along the x axis.
        rows: for each series, the cells by column, each with successes, n and interval_95.

    Raises:
        LosslessError: the file cannot be written.
    """

    def draw(axes: Any) -> None:
        for number, (name, cells) in enumerate(rows.items()):
            offset = 0.8 * ((number + 0.5) / len(rows) - 0.5)
            known = [(x + offset, cells[column]) for x, column in enumerate(columns) if cells.get(column, {}).get("n")]
            rates = [100 * cell["successes"] / cell["n"] for _, cell in known]
            bounds = zip(*([100 * bound for bound in cell["interval_95"]] for _, cell in known), strict=True)
            errors = [[abs(rate - bound) for rate, bound in zip(rates, side, strict=True)] for side in bounds] or None
            style = {"fmt": "os^D"[number // 10 % 4], "markersize": 4, "capsize": 2}  # colors repeat after ten
            axes.errorbar([x for x, _ in known], rates, errors, label=name, **style)
        axes.set_xticks(range(len(columns)), columns)
        axes.set(ylabel="success [%]", ylim=(-3, 103))
        axes.legend(frameon=False, ncol=4, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.12))

    try:
        _save(path, path.suffix[1:], draw, 1, (max(6.0, 0.25 * len(columns) * len(rows)), 4.5), {})
    except OSError as error:
        raise LosslessError(f"cannot write {path}: {error.strerror}") from None


def latencies(milliseconds: Sequence[float], period_ms: float) -> str:
    """Return a histogram of latencies with the control period as a line, as SVG."""

    def draw(axes: Any) -> None:
        axes.hist(milliseconds, bins=60, color=_BLUE)
        axes.axvline(period_ms, color=_ORANGE, linestyle="--", label=f"control period {period_ms:g} ms")
        axes.set(xlabel="latency [ms]", ylabel="periods")
        axes.legend(frameon=False)

    return _svg(draw, 1, (7, 2.4))


def commands(example: dict[str, Any], names: Sequence[str]) -> str:
    """Return recorded and predicted commands of one episode, one row per axis, as SVG; names include units."""
    recorded, predicted = zip(*example["recorded"], strict=True), zip(*example["predicted"], strict=True)
    rows = list(zip(names, recorded, predicted, strict=True))

    def draw(all_axes: Any) -> None:
        all_axes = np.atleast_1d(all_axes)  # a single row is not in an array
        for axes, (name, was, would_be) in zip(all_axes, rows, strict=True):
            axes.plot(example["t_s"], was, color=_GRAY, label="recorded")
            axes.plot(example["t_s"], would_be, color=_BLUE, linewidth=1, label="policy")
            axes.set_ylabel(name, fontsize=8)
        all_axes[0].legend(frameon=False, ncol=2, fontsize=8)
        all_axes[-1].set_xlabel("time [s]")

    return _svg(draw, len(rows), (7, 1.1 * len(rows)))


def _points(curve: Sequence[dict[str, float]], name: str) -> tuple[list[float], list[float]]:
    points = [(p["step"], p[name]) for p in curve if p.get(name) is not None]
    return [x for x, _ in points], [y for _, y in points]


def _draw_curve(axes: Any, curve: Sequence[dict[str, float]]) -> None:
    axes.plot(*_points(curve, "train_loss"), color=_GRAY, label="training (with augmentation)")
    axes.plot(*_points(curve, "held_out_loss"), color=_BLUE, marker="o", markersize=3, label="held-out episodes")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.legend(frameon=False)


def _svg(draw: Callable[[Any], None], rows: int, size: tuple[float, float]) -> str:
    text = StringIO()
    _save(text, "svg", draw, rows, size, dict.fromkeys(("Date", "Creator", "Format", "Type")))
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _save(
    where: Any, kind: str, draw: Callable[[Any], None], rows: int, size: tuple[float, float], metadata: dict[str, Any]
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    style: Any = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9, "svg.fonttype": "none"}
    with plt.rc_context(style):
        figure, axes = plt.subplots(rows, 1, figsize=size, sharex=True, layout="constrained")
        draw(axes)
        figure.savefig(where, format=kind, metadata=metadata, dpi=150)
        plt.close(figure)
