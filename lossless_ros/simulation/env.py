"""The one door to the simulator: environments, experts, checks of names, and its errors as ours.

`lossless_sim` is imported inside functions, so that everything that runs on a robot works without it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from lossless_ros.contract import Contract, load_contract
from lossless_ros.defaults import AUTO
from lossless_ros.errors import LosslessError

Observation = dict[str, np.ndarray]
Info = dict[str, Any]


class UnstableEpisodeError(LosslessError):
    """The physics of an episode diverged; nothing of it can be used."""


@contextmanager
def simulator_errors(rendering: bool = False) -> Iterator[None]:
    """Re-raise the simulator's input errors as LosslessError, and say how to install it where it is missing.

    With `rendering`, say first what keeps this machine from rendering.
    """
    try:
        from lossless_sim.errors import SimError, UnstableError
        from lossless_sim.opengl import check_opengl
    except ImportError as error:
        raise LosslessError(f"the simulator is not installed ({error}); install lossless_ros[sim]") from None
    try:
        check_opengl(rendering)
        yield
    except UnstableError as error:
        raise UnstableEpisodeError(str(error)) from None
    except SimError as error:
        raise LosslessError(str(error)) from None


def find_suite(task: str) -> Any:
    """Return the `lossless_sim.suite.Suite` of a task.

    Raises:
        LosslessError: unknown suite or task, or the simulator is not installed.
    """
    with simulator_errors():
        from lossless_sim.tasks import find_task

        return find_task(task)[0]


def given_or_of_suite(given: Any, of_suite: Any) -> Any:
    """Return a setting as given, or the suite's value in place of auto or None."""
    return of_suite if given in (AUTO, None) else given


def make_env(task: str, domain: str, cameras: Sequence[str] = (), image_size: int = 128) -> Any:
    """Return the Gymnasium environment of a task in a domain; square images of `image_size` [px] per camera.

    Raises:
        LosslessError: unknown task, domain or camera.
    """
    with simulator_errors():
        from lossless_sim.tasks import make_env as make

        return make(task, domain, cameras=tuple(cameras), image_size=image_size)


def make_simulator(task: str, domain: str, contract: Contract, images: bool = True) -> Any:
    """Return the environment of a task with the contract's cameras, or with none.

    Raises:
        LosslessError: the contract's images are not square and of one size, or an unknown name.
    """
    cameras = tuple(camera.name for camera in contract.cameras) if images else ()
    return make_env(task, domain, cameras, _image_size(contract))


def _image_size(contract: Contract) -> int:
    """Return the side of the contract's images [px].

    Raises:
        LosslessError: they are not square and of one size.
    """
    sizes = {size for camera in contract.cameras for size in (camera.height, camera.width)}
    if len(sizes) > 1:
        raise LosslessError(f"contract {contract.name}: the simulator needs square images that all have the same size")
    return sizes.pop()


def make_looks_renderer(task: str, domain: str, contract: Contract) -> Any:
    """Return a `lossless_sim.looks.LooksRenderer` of a task with the contract's cameras and looks of a domain.

    Raises:
        LosslessError: the contract's images are not square and of one size, or an unknown name.
    """
    with simulator_errors():
        from lossless_sim.looks import LooksRenderer
        from lossless_sim.tasks import find_task

        suite, name = find_task(task)
        if not suite.has_object_poses:
            raise LosslessError(f"episodes of {task} cannot be rendered again: its suite has one look")
        cameras = tuple(camera.name for camera in contract.cameras)
        return LooksRenderer(name, domain, cameras, _image_size(contract))


def object_half_widths(task: str, poses: np.ndarray, yaws: np.ndarray) -> np.ndarray:
    """Return how far the objects of a task extend from their centers along horizontal directions, see `lossless_sim`.

    Args:
        task: suite/name.
        poses: of the red, green and blue object (T, 3, 7).
        yaws: angles of the directions from the x axis (T, D) [rad].

    Returns:
        (T, 3, D) [m]; nan where poses are nan, and for all tasks that do not name their objects.

    Raises:
        LosslessError: the simulator is not installed.
    """
    with simulator_errors():
        from lossless_sim.object_widths import half_widths
        from lossless_sim.scene.objects import TRIPLETS

        names = TRIPLETS.get(task.rpartition("/")[2])
        widths = np.full((*poses.shape[:2], yaws.shape[1]), np.nan)
        known = np.isfinite(poses).all((1, 2))
        if names and known.any():
            widths[known] = half_widths(names, poses[known].astype(np.float64), yaws[known])
        return widths


def recorded_episode(info: Info, qpos: np.ndarray) -> Any:
    """Return what a looks renderer takes, from what the collector stored and MuJoCo's positions (T, nq)."""
    from lossless_sim.looks import RecordedEpisode

    drawn = {section: values for section, values in info["draw"].items() if section != "domain"}
    return RecordedEpisode(info["seed"], drawn, qpos)


def make_expert(name: str, task: str, seed: int) -> Any:
    """Return the expert of that name, reset for the episode with this seed: `act(observation, info)` -> action (dim,).

    Raises:
        LosslessError: unknown expert or task, or an expert that does not know the task.
    """
    with simulator_errors():
        from lossless_sim.tasks import find_task

        suite, task_name = find_task(task)
        expert = suite.make_expert(name, task_name, seed)
        expert.reset()
        return expert


def make_noise(task: str, scale: float, seed: int, gripper: float = 0.0) -> Callable[[np.ndarray], np.ndarray]:
    """Return the noise of an episode on executed actions.

    Args:
        task: suite/name.
        scale: of the velocities' noise, a share of the action limits from 0 to 1.
        seed: of the episode.
        gripper: inversions of the gripper's command per second, from 0 to 1.

    Raises:
        LosslessError: a number is out of range.
    """
    with simulator_errors():
        from lossless_sim.experts import Noise

        suite = find_suite(task)
        return Noise(scale, seed, gripper, suite.action_high, suite.control_period, suite.gripper_outputs)


def check_world(
    task: str, domain: str, expert: str | None = None, expert_noise: float = 0.0, gripper_noise: float = 0.0
) -> None:
    """Check names before any process starts.

    Raises:
        LosslessError: unknown task, domain or expert, noise out of range, or no off-screen OpenGL.
    """
    with simulator_errors(rendering=True):
        from lossless_sim.experts import Noise
        from lossless_sim.tasks import find_task

        suite, name = find_task(task)
        if expert is not None:
            suite.make_expert(expert, name, 0)
            Noise(expert_noise, 0, gripper_noise)
        suite.check_domain(domain)


def check_contract(task: str, contract: Contract) -> None:
    """Check that a task can be done with a contract, before any process starts.

    Raises:
        LosslessError: the simulator lacks a camera or a joint, the images are not square and of one size, or the action
            does not have the axes of the suite's contract, in its order.
    """
    suite = find_suite(task)
    for what, wanted, known in (
        ("camera", [camera.name for camera in contract.cameras], suite.cameras),
        ("joint", list(contract.joints()), suite.joint_names),
    ):
        for name in wanted:
            if name not in known:
                raise LosslessError(
                    f"contract {contract.name} has {what} '{name}', the simulator of {task} has {', '.join(known)}"
                )
    if contract.action.dim != len(suite.action_high):
        raise LosslessError(
            f"contract {contract.name} has {contract.action.dim} outputs, {task} takes {len(suite.action_high)}; "
            f"see contract {suite.contract}"
        )
    taken = load_contract(suite.contract).action.names
    if contract.action.names != taken:
        raise LosslessError(
            f"contract {contract.name} commands {', '.join(contract.action.names)}; {task} takes {', '.join(taken)} in "
            f"this order, see contract {suite.contract}"
        )
    _image_size(contract)


def tasks() -> dict[str, str]:
    """Return what each task is about, by its name.

    Raises:
        LosslessError: the simulator is not installed.
    """
    with simulator_errors():
        from lossless_sim.tasks import tasks as of_simulator

        return of_simulator()


def domain_ranges(name: str) -> dict[str, tuple[float, float, str]]:
    """Return lowest and highest value, and the unit, of each parameter that a domain randomizes.

    Raises:
        LosslessError: unknown domain, or an invalid file.
    """
    with simulator_errors():
        from lossless_sim.domains import load_domain
        from lossless_sim.domains.parameters import PARAMETERS

        return {
            f"{section}.{key}": (entry.low, entry.high, PARAMETERS[section][key].unit)
            for section, entries in load_domain(name).ranges.items()
            for key, entry in entries.items()
        }
