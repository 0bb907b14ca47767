"""The short table of README.md."""

from collections.abc import Iterator

from benchmarks.common import RESULTS, markdown, percent, read_summary
from lossless_ros.evaluation.episode_table import count_successes, read_rows, select


def summary() -> str:
    """The main results in four columns."""
    adapters = read_summary(RESULTS / "adapters.json")
    share = 100 * adapters["rows"][0]["adapter_share"]
    return markdown(
        ("What", "Setup", "n", "Result"),
        (
            *_shipped(),
            _success(
                f"Success of adapters with a grid top ({share:.1f} % of the backbone)",
                "adapters_seed0",
                "adapters_seed1",
            ),
            _success("Success of full fine-tuning, grid top", "full"),
            _success("Success with frozen features", "frozen"),
            (
                "Inference time, adapters / backbone",
                "one CPU thread",
                adapters["rounds"],
                f"{adapters['rows'][0]['adapted_over_bare']:.2f}",
            ),
            _latency(),
            _stops(),
        ),
    )


def _shipped() -> Iterator[tuple[object, ...]]:
    """Yield a row per shipped policy, from the last triplet on."""
    table = select(read_rows(RESULTS / "stacking.csv"), run="top", domain="lab")
    for task in sorted({row["task"] for row in table}, reverse=True):
        rows = select(table, task=task)
        setup = f"triplet {task[-1]}, `lab`, 1 training seed"
        rate = percent(count_successes(rows), len(rows))
        yield "Success of a shipped policy (keypoint top alone)", setup, len(rows), rate


def _success(label: str, *recipes: str) -> tuple[object, ...]:
    rows = [row for name in recipes for row in select(read_rows(RESULTS / "ablations.csv"), recipe=name)]
    seeds = "1 training seed" if len(recipes) == 1 else f"{len(recipes)} training seeds"
    return label, f"triplet 5, `lab`, {seeds}", len(rows), percent(count_successes(rows), len(rows))


def _latency() -> tuple[object, ...]:
    run = read_summary(RESULTS / "latency.json")
    times = run["end_to_end_ms"]
    setup = f"OpenVINO, two CPU cores, {run['rate_hz']:.0f} Hz"
    return "Camera message to command", setup, run["periods"], f"p50 {times['p50']:.1f}, p99 {times['p99']:.1f} ms"


def _stops() -> tuple[object, ...]:
    run = read_summary(RESULTS / "soak.json")
    stops = run["stops"]
    in_time, slowest = stops["expected"] - stops["missed"], stops["after_ms"]["max"]
    setup = f"{run['minutes']:.0f} min, a camera fails every 20 s"
    return "Safety stops in time", setup, stops["expected"], f"{in_time}, at most {slowest:.0f} ms"
