"""How fast the simulator is, side by side with DeepMind's environment where that can be imported.

Every figure is measured in a fresh process on one core, over the same commands for both.
"""

import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros.errors import LosslessError
from lossless_ros.simulation.process_pool import run_parallel

CAMERAS = ("basket_front_left", "basket_front_right", "basket_back_left")
REFERENCE = "rgb_stacking"  # module of google-deepmind/rgb_stacking
REFERENCE_SHARE = 10  # the reference runs a tenth of the steps: it is that much slower
LIMITS = np.array([0.07, 0.07, 0.07, 1.0, 255.0])  # m/s, rad/s and the reference's gripper; ours takes +-1
Step = Callable[[np.ndarray], Any]
Reset = Callable[[int], Any]


def bench_sim(
    steps: int = 300, resets: int = 5, on_progress: Callable[[str], None] = lambda figure: None
) -> dict[str, Any]:
    """Steps per second without and with three 128x128 cameras, reset time [s] and peak memory [MB] of an instance.

    Args:
        steps: control steps per figure; the reference runs a tenth of them.
        resets: episodes begun per figure.
        on_progress: called with the name of what was measured.

    Returns:
        steps_per_s_state, steps_per_s_3cameras, reset_s, rss_mb; `steps_per_cpu_s_*` count processor time and not the
        clock, which matters on a busy machine; reference: the same of DeepMind's environment, or None; and the ratios.

    Raises:
        LosslessError: steps or resets are not positive.
    """
    for name, value in (("steps", steps), ("resets", resets)):
        if value < 1:
            raise LosslessError(f"{name} is {value}, expected at least 1")
    ours = _figures("ours", steps, resets, on_progress)
    reference = None
    if importlib.util.find_spec(REFERENCE) is not None:
        reference = _figures("reference", max(1, steps // REFERENCE_SHARE), max(1, resets // 2), on_progress)
    ratios = reference and {key: ours[key] / reference[key] for key in ours if key.startswith("steps_")}
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "gl": os.environ.get("MUJOCO_GL")}
    return {**ours, "reference": reference, "times_the_reference": ratios, "steps": steps, "machine": machine}


def _figures(which: str, steps: int, resets: int, on_progress: Callable[[str], None]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for cameras in (False, True):
        name = "3cameras" if cameras else "state"
        (measured,) = run_parallel(_measure, [(which, cameras, steps, resets)], 1, _one_core, ())
        figures |= {
            f"steps_per_s_{name}": measured["steps_per_s"],
            f"steps_per_cpu_s_{name}": measured["steps_per_cpu_s"],
            f"rss_mb_{name}": measured["rss_mb"],
            f"reset_s_{name}": measured["reset_s"],
        }
        on_progress(f"{which} {name}")
    return figures | {"reset_s": figures["reset_s_3cameras"], "rss_mb": figures["rss_mb_3cameras"]}


def _one_core() -> None:
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _measure(job: tuple[str, bool, int, int]) -> dict[str, float]:
    """One environment's figures in this process."""
    which, cameras, steps, resets = job
    step, reset, close = (_ours if which == "ours" else _reference)(cameras)
    reset(0)
    begin = time.perf_counter()
    for seed in range(1, 1 + resets):
        reset(seed)
    reset_s = (time.perf_counter() - begin) / resets
    commands = _commands(steps)
    step(commands[0])  # the first image uploads and compiles
    begin, begin_cpu = time.perf_counter(), time.process_time()
    for command in commands:
        step(command)
    wall, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    close()
    return {"steps_per_s": steps / wall, "steps_per_cpu_s": steps / cpu, "reset_s": reset_s, "rss_mb": _peak_mb()}


def _commands(steps: int) -> np.ndarray:
    """(steps, 5) in units of the limits: a new direction every half second, down into the basket on the whole."""
    rng = np.random.default_rng(0)
    held = rng.uniform(-1.0, 1.0, (steps // 10 + 1, 5)) - [0.0, 0.0, 0.5, 0.0, 0.0]
    return np.clip(np.repeat(held, 10, axis=0)[:steps], -1.0, 1.0)


def _ours(cameras: bool) -> tuple[Step, Reset, Callable[[], None]]:
    from lossless_sim.tasks import make_env

    env = make_env("rgb_stacking/triplet1", "nominal", cameras=CAMERAS if cameras else ()).unwrapped
    scale = np.append(LIMITS[:4], 1.0)
    return (lambda command: env.step(command * scale)), (lambda seed: env.reset(seed=seed)), env.close


def _reference(cameras: bool) -> tuple[Step, Reset, Callable[[], None]]:
    from rgb_stacking import environment

    observations = environment.ObservationSet.ALL if cameras else environment.ObservationSet.STATE_ONLY
    env = environment.rgb_stacking("rgb_test_triplet1", observations)
    if not cameras:  # STATE_ONLY renders them all the same and throws them away
        for sensor in env.base_env.task.sensors:
            for name, observable in sensor.observables.items():
                if name.endswith("rgb_img"):
                    observable.enabled = False
    return (lambda command: env.step((command * LIMITS).astype(np.float32))), (lambda seed: env.reset()), env.close


def _peak_mb() -> float:
    """Most memory this process ever held [MB of 1e6 bytes]."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
