"""`lossless bench`: one command per benchmark, and `all` of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lossless_ros import defaults
from lossless_ros.cli.cost import announce_periods
from lossless_ros.cli.interruption import keeping
from lossless_ros.cli.options import Device, Json, Runtime
from lossless_ros.errors import unknown
from lossless_ros.progress import Progress, echo, write_json


class Benchmarks(TyperGroup):
    """Commands; an unknown name lists the known ones."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command as typer does.

        Raises:
            LosslessError: no such benchmark.
        """
        if args and args[0] not in self.commands:
            raise unknown("benchmark", args[0], self.commands)
        return super().resolve_command(ctx, args)


bench = typer.Typer(cls=Benchmarks, help="Measure speed and memory on this machine.")
Steps = Annotated[int, typer.Option(help="Control steps per measurement.")]
Backbones = Annotated[list[str], typer.Option(help="Name of a backbone; may be given several times.")]
Rounds = Annotated[int, typer.Option(help="Interleaved repetitions of each measurement.")]
Threads = Annotated[int, typer.Option(help="CPU threads.")]
LITE0 = [defaults.BACKBONE]
_RATIOS = (
    "adapted_over_bare",
    "mixed8_over_single",
    "serial8_over_single",
    "switch_ms",
    "memory_100_tasks_over_bare",
)


@bench.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@bench.command()
def sim(steps: Steps = 300, json: Json = None) -> None:
    """Measure the simulator: control steps per second, reset time, memory."""
    write_json(json, _sim(steps))


@bench.command()
def adapters(
    backbone: Backbones = LITE0,
    rounds: Rounds = 30,
    threads: Threads = 1,
    json: Json = None,
) -> None:
    """Measure adapters against the bare backbone: latency, many tasks in one pass, switching, memory."""
    write_json(json, _adapters(backbone, rounds, threads))


@bench.command()
def latency(
    backbone: Backbones = LITE0,
    periods: Annotated[int, typer.Option(help="Control periods per measurement, at the contract's rate.")] = 2000,
    device: Device = "auto",
    runtime: Runtime = "auto",
    json: Json = None,
) -> None:
    """Measure the time from camera message to command message, over ROS 2 between two processes."""
    write_json(json, _latency(backbone, periods, device, runtime))


@bench.command()
def training(
    backbone: Annotated[str, typer.Option(help="Name of a backbone.")] = LITE0[0],
    rounds: Rounds = 10,
    batch: Annotated[int, typer.Option(help="Frames per step.")] = 32,
    threads: Threads = 1,
    device: Device = "auto",
    json: Json = None,
) -> None:
    """Measure a training step: adapters against full fine-tuning, cached features against images."""
    write_json(json, _training(backbone, rounds, batch, threads, device))


@bench.command("all")
def everything(json: Json = None) -> None:
    """Run all benchmarks with their default options."""
    benchmarks: dict[str, Callable[[], Any]] = {
        "sim": lambda: _sim(300),
        "adapters": lambda: _adapters(LITE0, 30, 1),
        "latency": lambda: _latency(LITE0, 2000, "auto", "auto"),
        "training": lambda: _training(LITE0[0], 10, 32, 1, "auto"),
    }
    write_json(json, {name: measure() for name, measure in benchmarks.items()})


@contextmanager
def _measuring(what: str, figures: int) -> Iterator[Callable[[str], None]]:
    """Show the progress of a benchmark; yield what takes the name of each figure that is measured."""
    kept = "no figure is kept; run the same command again"
    with Progress(f"measuring {what}", figures) as progress, keeping(lambda: kept):
        yield progress.advance


def _training(backbone: str, rounds: int, batch: int, threads: int, device: str) -> dict[str, Any]:
    from lossless_ros.bench.training import bench_training

    with _measuring("training", rounds + 1) as measured:
        result = bench_training(backbone, rounds, batch, threads, device, on_progress=measured)
    echo(
        f"adapters over full: step time {result['adapters_over_full']:.2f}, gradients and optimizer "
        f"{result['memory_adapters_over_full']:.2f}; epochs on cached features are "
        f"{result['cached_speedup_frozen']:.0f} (frozen) and {result['cached_speedup_top']:.0f} (top) times as fast"
    )
    return result


def _sim(steps: int) -> dict[str, Any]:
    from lossless_ros.bench.sim import REFERENCE, bench_sim

    with _measuring("the simulator", 3 if find_spec(REFERENCE) is None else 5) as measured:
        result = bench_sim(steps, on_progress=measured)
    for who, figures in (("lossless_sim", result), ("reference", result["reference"])):
        if figures is None:
            echo("reference: not measured, the module rgb_stacking is not installed")
            continue
        echo(
            f"{who}: {figures['steps_per_s_state']:.1f} steps/s without cameras, {figures['steps_per_s_3cameras']:.1f} "
            f"with three; reset {figures['reset_s']:.3f} s; {figures['rss_mb']:.0f} MB"
        )
    for suite, ratio in result["step_over_package"].items():
        echo(f"{suite}: a step takes {ratio:.2f} of the time that it takes in the package")
    return result


def _adapters(backbones: list[str], rounds: int, threads: int) -> dict[str, Any]:
    from torch import cuda

    from lossless_ros.bench.adapters import bench_adapters

    with _measuring("adapters", len(backbones) * (2 if cuda.is_available() else 1)) as measured:
        result = bench_adapters(backbones, rounds, threads, on_progress=measured)
    for row in result["rows"]:
        ratios = ", ".join(f"{name} {row[name]:.3g}" for name in _RATIOS)
        echo(f"{row['backbone']} on {row['device']}, batch {row['batch']}: bare {row['bare_ms']:.1f} ms; {ratios}")
    return result


def _latency(backbones: list[str], periods: int, device: str, runtime: str) -> dict[str, Any]:
    from lossless_ros.bench.latency import bench_latency
    from lossless_ros.contract import load_contract

    announce_periods(periods, load_contract(defaults.CONTRACT).rate_hz, 4 * len(backbones))
    with _measuring("latency", 3 * len(backbones)) as measured:
        result = bench_latency(backbones, periods, device, runtime, on_progress=measured)
    for row in result["rows"]:
        for what, figures in (("adapted", row), ("bare", row["bare"])):
            ends, inference = (
                "/".join(f"{figures[key][name]:.1f}" for name in ("p50", "p99", "max"))
                for key in ("end_to_end_ms", "inference_ms")
            )
            echo(
                f"{row['backbone']} {what} on {row['device']} ({row['runtime']}): p50/p99/max {ends} ms end to end, "
                f"{inference} ms inference, "
                f"{figures['missed']} of {figures['periods']} periods missed"
            )
    return result
