"""The short table of README.md."""

from benchmarks.common import RESULTS, count_successes, markdown, percent, read_rows, read_summary, select

_LITE0 = "EfficientNet-Lite0"


def summary() -> str:
    """Six results in four columns."""
    rows = (_modes(), _best_policy(), _adapters(), _latency(), _soak(), _simulator())
    return markdown(("What", "Setup", "n", "Result"), rows)


def _recipe(*names: str) -> tuple[int, int]:
    """Return successes and episodes of recipes taken together."""
    rows = [row for name in names for row in select(read_rows(RESULTS / "ablations.csv"), recipe=name)]
    return count_successes(rows), len(rows)


def _modes() -> tuple[str, ...]:
    frozen, adapters, full = _recipe("frozen"), _recipe("adapters_seed0", "adapters_seed1"), _recipe("full")
    result = f"frozen {percent(*frozen)}, adapters {percent(*adapters)}, full {percent(*full)}"
    setup = f"{_LITE0}, triplet 5, 400 demonstrations, unseen domain `lab`"
    return "Stacking success by mode, equal steps", setup, f"{frozen[1]} / {adapters[1]} / {full[1]}", result


def _best_policy() -> tuple[str, ...]:
    successes, n = _recipe("reactive_dagger")
    return "Best adapter policy", "the same, three trainings and one DAgger round", str(n), percent(successes, n)


def _adapters() -> tuple[str, ...]:
    row = read_summary(RESULTS / "adapters.json")["rows"][0]
    result = (
        f"{100 * row['adapter_share']:.1f} % of the parameters, {row['adapted_over_bare']:.2f}x the time; "
        f"100 tasks in {row['memory_100_tasks_over_bare']:.2f}x the memory"
    )
    rounds = read_summary(RESULTS / "adapters.json")["rounds"]
    return "Cost of adapters", f"{_LITE0}, one CPU thread, {row['batch']} images", str(rounds), result


def _latency() -> tuple[str, ...]:
    run = read_summary(RESULTS / "latency.json")
    times = run["end_to_end_ms"]
    result = f"p50 {times['p50']:.1f} ms, p99 {times['p99']:.1f} ms"
    return "Camera to command", f"{_LITE0}, OpenVINO, two CPU cores, {run['rate_hz']:.0f} Hz", str(run["periods"]), result


def _soak() -> tuple[str, ...]:
    run = read_summary(RESULTS / "soak.json")
    stops = run["stops"]
    in_time, slowest = stops["expected"] - stops["missed"], stops["after_ms"]["max"]
    setup = f"{run['minutes']:.0f} min at 20 Hz, a camera fails every 20 s"
    return "Stop after camera loss", setup, str(stops["expected"]), f"{in_time} in time, at most {slowest:.0f} ms"


def _simulator() -> tuple[str, ...]:
    run = read_summary(RESULTS / "sim.json")
    speed, ratio = run["steps_per_s_3cameras"], run["times_the_reference"]["steps_per_s_3cameras"]
    result = f"{speed:.0f} steps/s, {ratio:.1f}x the released environment"
    return "Simulator speed", "three cameras, one CPU core", str(run["steps"]), result
