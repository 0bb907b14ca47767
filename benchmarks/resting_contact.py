"""Do stacks stay where they are? An expert stacks; then the arm stands still and the physics goes on, in variants.

    python -m benchmarks.resting_contact --folder work --tasks triplet1 triplet3 triplet4 --episodes 10

Writes resting_contact.csv into the folder, a row per episode and variant: how far red moved relative to blue, the share
of physics steps without a contact between them, and whether red is still on blue. The same command resumes.
"""

import argparse
from copy import copy
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from benchmarks.tables.simulator import resting_contact
from lossless_ros.evaluation.episode_table import append_rows, read_rows, select
from lossless_ros.simulation.env import make_env, make_expert

SECONDS = 6.0
SETTLED = 40  # control periods of success in a row after which the arm is taken as away
FALLEN = 0.02  # red fell if its center is lower by this much [m]
EXPERT, DOMAIN = "reactive", "lab"


def variants(option: Any) -> dict[str, dict[str, Any]]:
    """Return changes of a model's options by name; the physics `fast` without a change has libccd and multiccd."""
    native = {"disableflags": option.disableflags & ~int(mujoco.mjtDisableBit.mjDSBL_NATIVECCD)}
    without_multiccd = {"enableflags": option.enableflags & ~int(mujoco.mjtEnableBit.mjENBL_MULTICCD)}
    return {
        "libccd, multiccd": {},
        "native, multiccd": native,
        "native": native | without_multiccd,
        "native, multiccd, noslip 5": native | {"noslip_iterations": 5},
        "native, multiccd, quarter of the time step": native | {"timestep": option.timestep / 4},
    }


def stacked_state(env: Any, task: str, seed: int) -> mujoco.MjData | None:
    """Return the state in which an expert has stacked and left; None if it does not get there."""
    expert, in_a_row = make_expert(EXPERT, task, seed), 0
    observation, info = env.reset(seed=seed)
    for _ in range(400):
        observation, _, _, _, info = env.step(expert.act(observation, info))
        in_a_row = in_a_row + 1 if info["success"] else 0
        if in_a_row == SETTLED:
            return copy(env._data)
    return None


def hold(
    model: mujoco.MjModel, data: mujoco.MjData, objects: dict[str, int], changes: dict[str, Any]
) -> dict[str, Any]:
    """Simulate SECONDS from a state with changed options; return what happens to red and blue (body indices)."""
    option = model.opt
    before = {name: getattr(option, name) for name in changes}
    for name, value in changes.items():
        setattr(option, name, value)
    data, red, blue = copy(data), objects["red"], objects["blue"]
    start, apart = data.xpos[red] - data.xpos[blue], 0
    steps = round(SECONDS / option.timestep)
    pair = {red, blue}
    for _ in range(steps):
        mujoco.mj_step(model, data)
        bodies = model.geom_bodyid[data.contact.geom] if data.ncon else np.zeros((0, 2), int)
        apart += not any(set(contact) == pair for contact in bodies.tolist())
    for name, value in before.items():
        setattr(option, name, value)
    moved = data.xpos[red] - data.xpos[blue] - start
    return {
        "moved_mm": 1e3 * float(np.linalg.norm(moved[:2])),
        "without_contact": apart / steps,
        "stays": int(abs(moved[2]) < FALLEN),
    }


def run(path: Path, name: str, episodes: int) -> None:
    """Measure the first `episodes` seeds of a task that have no rows yet."""
    task = f"rgb_stacking/{name}"
    env = make_env(task, DOMAIN).unwrapped
    for seed in range(episodes):
        if select(read_rows(path), task=name, seed=seed):
            continue
        state = stacked_state(env, task, seed)
        if state is None:
            print(f"{name}, seed {seed}: not stacked", flush=True)
            continue
        objects = dict(zip(("red", "green", "blue"), env._cell.indices.objects, strict=True))
        rows = []
        for variant, changes in variants(env._model.opt).items():
            rows.append({"task": name, "seed": seed, "variant": variant, **hold(env._model, state, objects, changes)})
        append_rows(path, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for resting_contact.csv")
    parser.add_argument("--tasks", nargs="+", default=["triplet1", "triplet3", "triplet4"])
    parser.add_argument("--episodes", type=int, default=10)
    options = parser.parse_args()
    path = options.folder / "resting_contact.csv"
    for name in options.tasks:
        run(path, name, options.episodes)
    print(resting_contact(options.folder))


if __name__ == "__main__":
    main()
