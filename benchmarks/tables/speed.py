"""Tables of speed: simulator, training step, latency of the inference node, soak test, and restarts."""

from typing import Any

from benchmarks.common import RESULTS, markdown, read_summary


def simulator() -> str:
    """Control steps per second here and in the released environment."""
    run = read_summary(RESULTS / "sim.json")
    reference, ratios = run["reference"], run["times_the_reference"]
    cells = []
    for name, label in (("state", "no"), ("3cameras", "3")):
        steps, reset, memory = f"steps_per_s_{name}", f"reset_s_{name}", f"rss_mb_{name}"
        speed = f"{run[steps]:.0f}", f"{reference[steps]:.1f}", f"{ratios[steps]:.1f}"
        other = f"{run[reset]:.2f} / {reference[reset]:.1f} s", f"{run[memory]:.0f} / {reference[memory]:.0f} MB"
        cells.append((label, *speed, *other))
    columns = ("cameras", "steps/s", "steps/s, released environment", "ratio", "reset", "memory")
    return markdown(columns, cells)


def training() -> str:
    """Time and memory of a training step of adapters relative to full fine-tuning."""
    cells = []
    for file, device in (("training", "one CPU thread"), ("training_h200", "one H200")):
        run = read_summary(RESULTS / f"{file}.json")
        cells.append(
            (
                f"`{run['backbone']}`",
                device,
                f"{run['step_ms']['adapters']:.0f} ms",
                f"{run['step_ms']['full']:.0f} ms",
                f"{run['adapters_over_full']:.2f}",
                f"{run['memory_adapters_over_full']:.2f}",
                f"{run['cached_speedup_frozen']:.1f}",
                f"{run['cached_speedup_top']:.1f}",
            )
        )
    columns = ("backbone", "device", "adapters", "full", "time ratio", "gradient and optimizer memory ratio")
    return markdown((*columns, "cached epoch speed-up, frozen", "cached epoch speed-up, top"), cells)


def latency() -> str:
    """Camera message to command message, with and without adapters."""
    cells = []
    for file, device in (("latency", "2 CPU cores"), ("latency_h200", "H200")):
        for row in read_summary(RESULTS / f"{file}.json")["rows"]:
            cells.append((f"`{row['backbone']}`", device, row["runtime"], "yes", *_times(row)))
            cells.append((f"`{row['backbone']}`", device, row["runtime"], "no", *_times(row["bare"])))
    columns = (
        "backbone",
        "device",
        "runtime",
        "adapters",
        "policy p50 / p99 / max",
        "camera to command p50 / p99 / max",
    )
    return markdown((*columns, "periods", "missed"), cells)


def soak() -> str:
    """The inference node at 20 Hz with cameras that fail."""
    run = read_summary(RESULTS / "soak.json")
    stops, memory = run["stops"], run["memory_mb"]
    cells = (
        f"{run['minutes']:.0f} min",
        run["commands"],
        f"{stops['expected'] - stops['missed']} of {stops['expected']}",
        _triple(stops["after_ms"], 0),
        f"{memory['first']:.0f} MB, {memory['last']:.0f} MB",
        f"{memory['per_hour']:+.0f} MB/h",
    )
    columns = ("duration", "commands", "stops in time", "stop after the last image p50 / p99 / max")
    return markdown((*columns, "memory: first, last", "trend"), [cells])


def restarts() -> str:
    """The inference node, configured again and again."""
    run = read_summary(RESULTS / "restarts.json")
    memory, threads = run["memory_mb"], run["threads"]
    cells = (
        run["rounds"],
        *(f"{memory[at]:.0f} MB, {threads[at]} threads" for at in (0, 19, -1)),
        f"{run['growth_mb']:+.1f} MB, {run['more_threads']:+d} threads",
    )
    return markdown(("rounds", "after the first", "after the 20th", "after the last", "since the 20th"), [cells])


def _times(row: dict[str, Any]) -> tuple[object, ...]:
    return _triple(row["inference_ms"]), _triple(row["end_to_end_ms"]), row["periods"], row["missed"]


def _triple(ms: dict[str, float], digits: int = 1) -> str:
    return " / ".join(f"{ms[name]:.{digits}f}" for name in ("p50", "p99", "max")) + " ms"
