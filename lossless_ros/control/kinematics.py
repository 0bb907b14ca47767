"""Joint velocities for a tool velocity: differential inverse kinematics on the robot's own model.

mink and MuJoCo are imported only when joint commands are used.
"""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from lossless_ros.contract import Arm
from lossless_ros.errors import LosslessError

if TYPE_CHECKING:
    import mujoco

_DAMPING = 1e-4  # near a singularity the joints stay slow and the tool lags behind
_POSTURE_COST = 0.01  # position and orientation cost 1: the posture uses only the redundant degrees of freedom
_POSTURE_GAIN = 0.025  # fraction of the posture error corrected per period, as in the simulator's controller
_LIMIT_GAIN = 0.95  # fraction of the remaining distance to a joint limit that one period may use
_LEVEL_GAIN = 0.05  # fraction of an accumulated tilt error corrected per period


class Kinematics:
    """Moves a frame of the robot by joint velocities within the joint limits of the robot's model.

    With `tilts` the twist controls all three rotations. Without, its angular x and y components are zero, and the tilt
    that the frame has in the first call after `restart` is held.

    Raises:
        LosslessError: mink is not installed, MuJoCo cannot be imported, or the robot's file and its model do not match.
    """

    def __init__(self, arm: Arm, period: float, tilts: bool = False) -> None:
        try:
            import mink
        except ModuleNotFoundError as error:
            raise LosslessError(f"joint commands need mink ({error}); install lossless_ros[joints]") from None
        except Exception as error:  # MuJoCo loads OpenGL when it is imported, and fails in many ways
            platform = os.environ.get("MUJOCO_GL", "")
            why = " ".join(str(error).split())
            raise LosslessError(f"MuJoCo cannot be imported with MUJOCO_GL={platform} ({why}); unset it") from None

        self._model = model = _load(arm)
        self._period, self._tilts = period, tilts
        self._frame = arm.frame
        self._frame_type, body = _find_frame(model, arm.frame, arm.model)
        chain = _chain(model, body)
        self.joints = tuple(model.joint(i).name for i in chain)
        for name, values in (("posture", arm.posture), ("max_speed", arm.max_speed)):
            if len(values) != len(chain):
                raise LosslessError(
                    f"arm: {name} has {len(values)} values, the joints up to {arm.frame} are {', '.join(self.joints)}"
                )
        if not (np.isfinite([*arm.posture, *arm.max_speed, arm.margin]).all() and min(arm.max_speed) > 0 <= arm.margin):
            raise LosslessError(
                f"arm: posture {list(arm.posture)}, max_speed {list(arm.max_speed)}, margin {arm.margin}; expected "
                "finite numbers, speeds above 0 [rad/s] and a margin of at least 0 [rad]"
            )
        self._position_indices, self._velocity_indices = model.jnt_qposadr[chain], model.jnt_dofadr[chain]
        self._low, self._high = model.jnt_range[chain].T + arm.margin * np.array([[1], [-1]])
        unlimited = ~model.jnt_limited[chain].astype(bool)
        self._low[unlimited], self._high[unlimited] = -np.inf, np.inf
        self.max_speed = np.array(arm.max_speed)  # (n,) rad/s
        self._configuration = mink.Configuration(model)
        self._home = self._configuration.q.copy()
        posture = self._full_configuration(np.array(arm.posture))
        self._task = mink.FrameTask(arm.frame, self._frame_type, position_cost=1.0, orientation_cost=1.0)
        posture_task = mink.PostureTask(model, cost=_POSTURE_COST, gain=_POSTURE_GAIN)
        posture_task.set_target(posture)
        self._tasks = [self._task, posture_task]
        speeds = {model.joint(i).name: 0.0 for i in range(model.njnt)}  # joints outside the chain stand still
        speeds.update(zip(self.joints, arm.max_speed, strict=True))
        self._limits = [
            mink.ConfigurationLimit(model, gain=_LIMIT_GAIN, min_distance_from_limits=arm.margin),
            mink.VelocityLimit(model, speeds),
        ]
        self._upright: np.ndarray | None = None

    def restart(self) -> None:
        """Reset the tilt to hold: the next call of `velocities` takes that of its position."""
        self._upright = None

    def velocities(self, position: np.ndarray, twist: np.ndarray) -> np.ndarray:
        """Return joint velocities (n,) [rad/s] at joint angles (n,) [rad] for a twist (6,) [m/s, rad/s].

        The twist is in the root frame of the model. Joint limits (less the margin) take precedence over the twist.
        """
        import mink

        self._configuration.update(self._full_configuration(self.clip(position)))
        pose = self._configuration.get_transform_frame_to_world(self._frame, self._frame_type)
        turn = mink.SO3.exp(twist[3:] * self._period)
        axis = pose.rotation().as_matrix()[:, 2]
        upright = axis if self._upright is None or self._tilts else self._upright
        level = mink.SO3.exp(_LEVEL_GAIN * np.cross(axis, upright))  # corrects a part of the tilt error
        rotation = turn @ level @ pose.rotation()
        goal = pose.translation() + twist[:3] * self._period
        self._task.set_target(mink.SE3.from_rotation_and_translation(rotation, goal))
        self._upright = turn.apply(upright)
        solution = mink.solve_ik(
            self._configuration, self._tasks, self._period, "daqp", damping=_DAMPING, limits=self._limits
        )
        return np.clip(solution[self._velocity_indices], -self.max_speed, self.max_speed)

    def clip(self, position: np.ndarray) -> np.ndarray:
        """Return the joint angles (n,) [rad] clipped to their limits less the margin."""
        return np.clip(position, self._low, self._high)

    def _full_configuration(self, position: np.ndarray) -> np.ndarray:
        """Return the model's configuration with the chain's joints (n,) at `position`, all others at their home."""
        configuration = self._home.copy()
        configuration[self._position_indices] = position
        return configuration


def find_model(name: str) -> Path:
    """Return the file of a robot's `model`: a path, or package://PACKAGE/PATH of a ROS or a Python package.

    Raises:
        LosslessError: no such file.
    """
    if not name.startswith("package://"):
        path = Path(name)
    else:
        package, _, rest = name.removeprefix("package://").partition("/")
        path = next((folder / rest for folder in _folders(package) if (folder / rest).is_file()), Path(rest))
    if not path.is_file():
        raise LosslessError(f"arm: no model at {name}; expected a URDF or MJCF file, a path or package://PACKAGE/PATH")
    return path


def _folders(package: str) -> Sequence[Path]:
    """Return the folders that hold a package's files: ROS share folders, and the folder of a Python package."""
    prefixes = filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))
    folders = [Path(prefix, "share", package) for prefix in prefixes]
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:
        spec = None
    return folders + [Path(place) for place in (spec and spec.submodule_search_locations) or ()]


def _load(arm: Arm) -> "mujoco.MjModel":
    import mujoco

    path = find_model(arm.model)
    try:
        if path.suffix == ".urdf":
            return mujoco.MjModel.from_xml_string(_kinematics_only(path))
        return mujoco.MjModel.from_xml_path(str(path))
    except (ValueError, OSError, ElementTree.ParseError) as error:
        raise LosslessError(f"arm: cannot load {path}: {' '.join(str(error).split())}") from None


def _kinematics_only(path: Path) -> str:
    """Return a URDF without meshes and inertias: mesh files are often elsewhere, and many masses are not physical."""
    root = ElementTree.parse(path).getroot()
    for link in root.iter("link"):
        for part in [child for child in link if child.tag in ("visual", "collision", "inertial")]:
            link.remove(part)
    settings = {"fusestatic": "false", "boundmass": "0.001", "boundinertia": "0.001"}
    ElementTree.SubElement(ElementTree.SubElement(root, "mujoco"), "compiler", settings)
    return ElementTree.tostring(root, "unicode")


def _find_frame(model: "mujoco.MjModel", frame: str, where: str) -> tuple[str, int]:
    """Return the type of the frame (site or body) and the index of the body that carries it.

    Raises:
        LosslessError: the model has no such frame.
    """
    sites = [model.site(i).name for i in range(model.nsite)]
    bodies = [model.body(i).name for i in range(model.nbody)]
    if frame in sites:
        return "site", int(model.site_bodyid[sites.index(frame)])
    if frame in bodies:
        return "body", bodies.index(frame)
    raise LosslessError(f"arm: {where} has no site or body '{frame}'; it has {', '.join(filter(None, sites + bodies))}")


def _chain(model: "mujoco.MjModel", body: int) -> list[int]:
    """Return the indices of the joints that move a body, from the root on."""
    joints: list[int] = []
    while body > 0:
        first = model.body_jntadr[body]
        joints = [*range(first, first + model.body_jntnum[body]), *joints]
        body = model.body_parentid[body]
    return joints
