"""Benchmark of the simulator, next to the released environment of DeepMind if it is installed.

Every figure is measured in a fresh process on one core, with the same commands for both.
"""

import contextlib
import importlib.util
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.errors import LosslessError
from lossless_ros.simulation.env import make_env, tasks
from lossless_ros.simulation.process_pool import run_parallel

CAMERAS = ("basket_front_left", "basket_front_right", "basket_back_left")
REFERENCE = "rgb_stacking"  # module of google-deepmind/rgb_stacking
REFERENCE_STEP_DIVISOR = 10  # the reference runs a tenth of the steps: it is that much slower
LIMITS = np.array([0.07, 0.07, 0.07, 1.0, 255.0])  # [m/s, rad/s]; the last one is the reference's gripper, ours is 1


_WRAPPER_STEPS = 20  # of a run; the number of runs grows with the steps that are asked for


@dataclass(frozen=True)
class _Job:
    """What to measure.

    Attributes:
        simulator: ours or reference.
        cameras: whether the three cameras render.
        steps: control steps.
        resets: episodes started.
    """

    simulator: str
    cameras: bool
    steps: int
    resets: int


@dataclass(frozen=True)
class _WrapperJob:
    """The task to measure of each suite, and how many runs of each environment."""

    tasks: dict[str, str]
    runs: int


@dataclass(frozen=True)
class _Simulator:
    """One environment.

    Attributes:
        step: takes a command (5,) in units of the limits.
        reset: starts the episode with a seed.
        close: releases it.
    """

    step: Callable[[np.ndarray], Any]
    reset: Callable[[int], Any]
    close: Callable[[], None]


def bench_sim(
    steps: int = 300, resets: int = 5, on_progress: Callable[[str], None] = lambda figure: None
) -> dict[str, Any]:
    """Measure steps per second without and with three 128x128 cameras, reset time [s] and peak memory [MB].

    Args:
        steps: control steps per figure; the reference runs a tenth of them.
        resets: episodes started per figure.
        on_progress: called with the name of each figure.

    Returns:
        steps_per_s_state, steps_per_s_3cameras, reset_s, rss_mb; steps_per_cpu_s_*: per second of CPU time, which
        matters on a busy machine; reference: the same of DeepMind's environment, or None; times_the_reference: ratios;
        step_over_package: CPU time of a step without cameras, over that of the package that a suite wraps, by suite.

    Raises:
        LosslessError: steps or resets are not positive.
    """
    for name, value in (("steps", steps), ("resets", resets)):
        if value < 1:
            raise LosslessError(f"{name} is {value}, expected at least 1")
    ours = _measure("ours", steps, resets, on_progress)
    reference = None
    if importlib.util.find_spec(REFERENCE) is not None:
        reference = _measure("reference", max(1, steps // REFERENCE_STEP_DIVISOR), max(1, resets // 2), on_progress)
    ratios = reference and {key: ours[key] / reference[key] for key in ours if key.startswith("steps_")}
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "gl": os.environ.get("MUJOCO_GL")}
    wrapped = next(iter(run_parallel(WrapperBenchWorker, [_WrapperJob(_first_tasks(), max(2, steps // 5))], 1)))
    on_progress("suites")
    figures = {"reference": reference, "times_the_reference": ratios, "step_over_package": wrapped}
    return {**ours, **figures, "steps": steps, "machine": machine}


def _first_tasks() -> dict[str, str]:
    """Return the first task of each suite, by suite."""
    found: dict[str, str] = {}
    for task in tasks():
        found.setdefault(task.partition("/")[0], task)
    return found


def _measure(simulator: str, steps: int, resets: int, on_progress: Callable[[str], None]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for cameras in (False, True):
        name = "3cameras" if cameras else "state"
        (measured,) = run_parallel(SimBenchWorker, [_Job(simulator, cameras, steps, resets)], 1)
        figures |= {
            f"steps_per_s_{name}": measured["steps_per_s"],
            f"steps_per_cpu_s_{name}": measured["steps_per_cpu_s"],
            f"rss_mb_{name}": measured["rss_mb"],
            f"reset_s_{name}": measured["reset_s"],
        }
        on_progress(f"{simulator} {name}")
    return figures | {"reset_s": figures["reset_s_3cameras"], "rss_mb": figures["rss_mb_3cameras"]}


class SimBenchWorker:
    """Measures in this process, pinned to one core."""

    def __init__(self) -> None:
        for library in ("OMP", "OPENBLAS", "MKL"):
            os.environ[f"{library}_NUM_THREADS"] = "1"
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    def __call__(self, job: _Job) -> dict[str, float]:
        """Return steps_per_s, steps_per_cpu_s, reset_s and rss_mb."""
        sim = (_make_ours if job.simulator == "ours" else _make_reference)(job.cameras)
        sim.reset(0)
        start = time.perf_counter()
        for seed in range(1, 1 + job.resets):
            sim.reset(seed)
        reset_s = (time.perf_counter() - start) / job.resets
        commands = _commands(job.steps)
        sim.step(commands[0])  # the first image uploads textures and compiles shaders
        start, start_cpu = time.perf_counter(), time.process_time()
        for command in commands:
            sim.step(command)
        wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        sim.close()
        return {
            "steps_per_s": job.steps / wall,
            "steps_per_cpu_s": job.steps / cpu,
            "reset_s": reset_s,
            "rss_mb": _peak_mb(),
        }


class WrapperBenchWorker:
    """Measures, in this process, what our environments add to the steps of the packages that they wrap."""

    def __init__(self) -> None:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    def __call__(self, job: _WrapperJob) -> dict[str, float]:
        """Return the ratio per suite of the job, those left out that wrap no package or an absent one."""
        ratios = {}
        for suite, task in job.tasks.items():
            with contextlib.suppress(LosslessError):
                env = make_env(task, "nominal").unwrapped
                if hasattr(env, "package_step"):
                    ratios[suite] = _step_over_package(env, job.runs)
        return ratios


def _step_over_package(env: Any, runs: int) -> float:
    """Return the CPU time of a step over that of the package's: the lowest tenth of short runs, taken in turn."""
    actions = np.random.default_rng(0).uniform(-1, 1, (_WRAPPER_STEPS, *env.action_space.shape)).astype(np.float32)
    actions *= env.action_space.high
    times: dict[str, list[float]] = {"step": [], "package_step": []}
    for _ in range(runs):
        for name, measured in times.items():
            env.reset(seed=0)
            step, start = getattr(env, name), time.process_time()
            for action in actions:
                step(action)
            measured.append(time.process_time() - start)
    ours, package = (float(np.percentile(measured, 10)) for measured in times.values())
    return ours / package


def _commands(steps: int) -> np.ndarray:
    """Return commands (steps, 5) in units of the limits: a new direction every half second, downward on average."""
    rng = np.random.default_rng(0)
    held = rng.uniform(-1.0, 1.0, (steps // 10 + 1, 5)) - [0.0, 0.0, 0.5, 0.0, 0.0]
    return np.clip(np.repeat(held, 10, axis=0)[:steps], -1.0, 1.0)


def _make_ours(cameras: bool) -> _Simulator:
    env = make_env("rgb_stacking/triplet1", "nominal", CAMERAS if cameras else ()).unwrapped
    scale = np.append(LIMITS[:4], 1.0)
    return _Simulator(lambda command: env.step(command * scale), lambda seed: env.reset(seed=seed), env.close)


def _make_reference(cameras: bool) -> _Simulator:
    from rgb_stacking import environment

    observations = environment.ObservationSet.ALL if cameras else environment.ObservationSet.STATE_ONLY
    env = environment.rgb_stacking("rgb_test_triplet1", observations)
    if not cameras:  # STATE_ONLY renders all cameras and discards the images
        for sensor in env.base_env.task.sensors:
            for name, observable in sensor.observables.items():
                if name.endswith("rgb_img"):
                    observable.enabled = False
    return _Simulator(
        lambda command: env.step((command * LIMITS).astype(np.float32)), lambda seed: env.reset(), env.close
    )


def _peak_mb() -> float:
    """Return the peak memory of this process [MB, 1e6 bytes]."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
