"""The parameters of the inference node: their table, and checks that need nothing loaded."""

import math
from typing import Any

import numpy as np

from lossless_ros.contract import (
    COMMANDS,
    JOINTS,
    Contract,
    Robot,
    check_names,
    load_contract,
    load_robot,
    resolve_command,
)
from lossless_ros.control.guard import RESUME_MODES
from lossless_ros.control.joint_limits import joint_ranges
from lossless_ros.control.limits import UNBOUNDED_WORKSPACE, Limits, LimitSettings
from lossless_ros.control.robot_limits import ANY_GRIPPER, ANY_RATE, LIMIT_NAMES, RobotLimits, frame_fault
from lossless_ros.defaults import AUTO
from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import read_bundle
from lossless_ros.models.policy_library import check_contract, choose_task, find_bundles
from lossless_ros.models.runtimes.registry import PRECISIONS, RUNTIMES
from lossless_ros.nodes.app.parameters import ANY_TIME, WHILE_UNCONFIGURED, NodeParameter
from lossless_ros.nodes.inference.observations import TRANSPORTS


def _configured(name: str, default: Any, description: str, **facts: Any) -> NodeParameter:
    """Return a parameter that is read when the node is configured."""
    return NodeParameter(name, default, description, **{"changes": WHILE_UNCONFIGURED, **facts})


def _safety(name: str, description: str, unit: str) -> NodeParameter:
    """Return a safety limit that is off by default."""
    return _configured(f"safety.{name}", math.inf, description, unit=unit, constraint="more than 0; .inf: no limit")


ROBOT = _configured("robot", "sim", "Robot: a name from config/robots or the path of a robot's parameter file.")
BUNDLES = _configured(
    "bundles", "", "Bundle file, a folder of bundles (one per task), or the name of a shipped bundle."
)
PARAMETERS = (
    ROBOT,
    BUNDLES,
    _configured("task", "", "Active task; may be empty if there is only one bundle.", changes=ANY_TIME),
    _configured("contract", "", "Contract: a name from config/contracts or a path; empty: the bundle's own."),
    _configured("device", "auto", "Device of the policy: auto (CUDA if available), cpu, cuda or cuda:N."),
    _configured(
        "threads",
        1,
        "CPU threads of the policy; with 1 the results are identical to those of lossless evaluate.",
        range=(1, math.inf),
    ),
    _configured(
        "runtime",
        "auto",
        "Inference runtime; auto: cuda_graph on a GPU, openvino on a CPU if installed, else torch.",
        choices=RUNTIMES,
    ),
    _configured(
        "precision",
        "auto",
        "Floating-point precision; auto: float16 for cuda_graph if it is accurate enough, else float32.",
        choices=PRECISIONS,
    ),
    _configured(
        "command",
        AUTO,
        "Kind of arm command: twist for MoveIt Servo, the others for ros2_control; auto: twist, or joint_velocity "
        "for a contract that commands joints.",
        choices=COMMANDS,
    ),
    _configured("dry_run", True, "Run everything, but publish commands on ~/would_send only."),
    _configured("autostart", False, "Configure and activate at start, for use without launch."),
    _configured(
        "image_transport",
        "auto",
        "Camera topics to subscribe to; auto: whichever is published, raw if both are.",
        choices=TRANSPORTS,
    ),
    _configured("stop_at_switch", True, "Stop the robot briefly when the task changes."),
    _configured(
        "resume",
        "automatic",
        "What ends a stop for a fault: the next good frame (automatic), or ~/resume (service).",
        choices=RESUME_MODES,
    ),
    _configured("debug_image", False, "Publish the policy's input images on ~/debug/image."),
    _configured("safety.alone", True, "Stop while another node publishes on the command topics; false: only warn."),
    _configured(
        "safety.deadline",
        0.0,
        "Longest inference time; the robot stops when it is exceeded twice in a row. 0: one control period.",
        unit="s",
        constraint="at least 0, finite",
    ),
    _safety("linear_velocity", "Largest velocity along each axis; a contract with a larger one is refused.", "m/s"),
    _safety("angular_velocity", "Largest velocity about each axis; a contract with a larger one is refused.", "rad/s"),
    _safety("max_age", "Largest max_age_s of a contract; one with a larger value is refused.", "s"),
    _configured(
        "safety.rate_range",
        list(ANY_RATE),
        "Lowest and highest rate_hz of a contract; others are refused.",
        unit="Hz",
        constraint="two numbers, the first one lower; .inf: no limit",
    ),
    _configured(
        "safety.gripper_range",
        list(ANY_GRIPPER),
        "Lowest and highest gripper command, in the units of the gripper's controller; a contract beyond is refused.",
        constraint="two numbers, the first one lower; .inf: no limit",
    ),
    _safety("linear_jerk", "Largest change of the linear acceleration.", "m/s^3"),
    _safety("angular_jerk", "Largest change of the angular acceleration.", "rad/s^3"),
    _safety("gripper_rate", "Largest speed of the gripper.", "full strokes per second"),
    _safety("linear_acceleration", "Largest change of the linear velocity.", "m/s^2"),
    _safety("angular_acceleration", "Largest change of the angular velocity.", "rad/s^2"),
    _configured(
        "safety.workspace",
        list(UNBOUNDED_WORKSPACE),
        "Workspace of the tool center, in the frame of the command: x, y, z of the lowest corner, then of the highest.",
        unit="m",
        constraint="six numbers, each lower one below its upper one; .inf: no limit",
    ),
)


def check(parameters: dict[str, Any]) -> None:
    """Check the parameters as far as is possible without loading a policy.

    Raises:
        LosslessError: a parameter is wrong.
    """
    robot = load_robot(parameters["robot"])
    found = find_bundles(parameters["bundles"])
    bundle = read_bundle(found[choose_task(parameters["task"], found)])
    contract = resolve_contract(parameters, bundle.contract)
    check_names(robot, contract)
    resolve_command(parameters["command"], contract)
    motion_limits(contract, robot, parameters)
    check_robot_limits(contract, robot, parameters)


def resolve_contract(parameters: dict[str, Any], own: Contract) -> Contract:
    """Return the contract that the parameters name, or the bundle's `own` if they name none.

    Raises:
        LosslessError: no such contract, or it does not fit the bundle's own.
    """
    if not parameters["contract"]:
        return own
    contract = load_contract(parameters["contract"])
    check_contract(contract, own)
    return contract


def motion_limits(contract: Contract, robot: Robot, parameters: dict[str, Any]) -> Limits:
    """Return the limits of the contract, of the robot's joints and of the parameters safety.*.

    Raises:
        LosslessError: a parameter is wrong, or does not fit the contract.
    """
    deadline = parameters["safety.deadline"]
    if not 0 <= deadline < math.inf:
        raise LosslessError(f"safety.deadline is {deadline}, expected seconds, or 0 for one control period")
    try:
        settings = LimitSettings(
            linear_acceleration=parameters["safety.linear_acceleration"],
            angular_acceleration=parameters["safety.angular_acceleration"],
            linear_jerk=parameters["safety.linear_jerk"],
            angular_jerk=parameters["safety.angular_jerk"],
            gripper_rate=parameters["safety.gripper_rate"],
            workspace=parameters["safety.workspace"],
        )
        return Limits.for_action(contract.action, settings, joint_ranges(robot))
    except ValueError as error:
        raise LosslessError(f"safety: {error}") from None


def check_robot_limits(contract: Contract, robot: Robot, parameters: dict[str, Any]) -> str:
    """Check that the robot allows what the contract wants; return what it leaves open, empty for nothing.

    Raises:
        LosslessError: the contract goes beyond a limit, or a real arm is to move and a limit is not given.
    """
    try:
        limits = RobotLimits(**{name: parameters[f"safety.{name}"] for name in LIMIT_NAMES})
    except ValueError as error:
        raise LosslessError(f"safety: {error}") from None
    where = f"robot {parameters['robot']}"
    if fault := limits.contract_fault(contract, robot):
        raise LosslessError(f"{where}: {fault}")
    missing, frames = limits.missing(contract, robot), frame_fault(contract, robot)
    if frames and not (missing and parameters["dry_run"]):  # files from before these keys renamed any frame
        raise LosslessError(f"{where}: {frames}")
    if not missing or robot.simulated:
        return ""
    line = f"{where} does not state {', '.join(missing)}, which dry_run:=false needs"
    if not parameters["dry_run"]:
        raise LosslessError(f"{line}; add them to the robot's file")
    return f"{line}; {frames}" if frames else line


def describe_limits(contract: Contract, robot: Robot, limits: Limits) -> str:
    """Return the limits in force, in one line."""
    units = [axis.unit for axis in contract.action.axes]

    def per_axis(values: np.ndarray, suffix: str) -> str:
        texts = [f"{value:g} {unit}{suffix}" for value, unit in zip(values, units, strict=True)]
        return ", ".join(dict.fromkeys(texts))

    gripper, is_joints = robot.gripper_of(contract), contract.action.space == JOINTS
    ends = f"{gripper.open:g} (open) to {gripper.closed:g} (closed) at {limits.gripper_rate:g}" if gripper else ""
    return "; ".join(
        [
            f"velocity {per_axis(limits.velocity, '')}",
            f"acceleration {per_axis(limits.acceleration, '^2')}",
            f"jerk {per_axis(limits.jerk, '^3')}",
            *([f"gripper {ends} strokes/s"] if gripper else []),
            _joint_ranges_text(contract, robot, limits) if is_joints else _workspace_text(contract, limits),
            f"data at most {contract.max_age_s:g} s old",
            f"commands at {contract.rate_hz:g} Hz"
            + ("" if is_joints else f" in frame {robot.command_frame(contract)}"),
        ]
    )


def _workspace_text(contract: Contract, limits: Limits) -> str:
    """Return the workspace's corners; infinite along what the contract does not command."""
    names = [axis.axis for axis in contract.action.axes]
    pairs = dict(zip(names, limits.walls.T.tolist(), strict=True))
    corners = np.array([pairs.get(f"linear.{axis}", (-math.inf, math.inf)) for axis in "xyz"]).T
    return f"workspace [{', '.join(f'{value:g}' for value in corners.ravel())}] m"


def _joint_ranges_text(contract: Contract, robot: Robot, limits: Limits) -> str:
    """Return the ranges of the commanded joints."""
    pairs = zip(contract.action.axes, limits.walls.T, strict=True)
    units = {"m/s": "m", "rad/s": "rad"}
    return "joints " + ", ".join(
        f"{robot.joint(axis.axis)} {low:g} to {high:g} {units[axis.unit]}" for axis, (low, high) in pairs
    )
