"""Joint velocities on the Sawyer's own URDF: they follow the twist and stay within the joint limits."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lossless_ros.contract import Arm, load_robot
from lossless_ros.errors import LosslessError

pytest.importorskip("mink", reason="mink is not installed")
pytest.importorskip("dm_robotics.moma", reason="the Sawyer's model (dm-robotics-moma) is not installed")

from lossless_ros.control.kinematics import Kinematics, find_model  # noqa: E402

PERIOD = 0.05
START = np.array([0.1, -0.4, -0.4, 1.3, 0.5, 1.2, 0.1])


@pytest.fixture(scope="module")
def arm() -> Arm:
    found = load_robot("sim").arm
    assert found
    return found


def pose(arm: Arm, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return position (3,) and rotation (3, 3) of the arm's frame, by MuJoCo alone."""
    import mujoco

    from lossless_ros.control.kinematics import _kinematics_only

    model = mujoco.MjModel.from_xml_string(_kinematics_only(find_model(arm.model)))
    data = mujoco.MjData(model)
    for i, angle in enumerate(angles):
        data.joint(f"right_j{i}").qpos = angle
    mujoco.mj_kinematics(model, data)
    return data.body(arm.frame).xpos.copy(), data.body(arm.frame).xmat.reshape(3, 3).copy()


def integrate(kinematics: Kinematics, angles: np.ndarray, twist: list[float], periods: int) -> np.ndarray:
    """Return the joint angles after some periods of a constant twist (6,)."""
    for _ in range(periods):
        angles = angles + PERIOD * kinematics.velocities(angles, np.array(twist))
    return angles


def test_joints_are_those_that_move_the_frame(arm: Arm) -> None:
    assert Kinematics(arm, PERIOD).joints == tuple(f"right_j{i}" for i in range(7))  # without head_pan


def test_hand_follows_the_twist(arm: Arm) -> None:
    begin, before = pose(arm, START)
    end, after = pose(arm, integrate(Kinematics(arm, PERIOD), START, [0.05, 0.02, -0.03, 0, 0, 0.3], 40))
    np.testing.assert_allclose(end - begin, [0.1, 0.04, -0.06], atol=0.004)
    turned = np.arctan2(*(after @ before.T)[[1, 0], 0])
    assert turned == pytest.approx(0.6, abs=0.02)


def test_accumulated_tilt_is_corrected(arm: Arm) -> None:
    kinematics = Kinematics(arm, PERIOD)
    _, begin = pose(arm, START)
    kinematics.velocities(START, np.zeros(6))
    tilted = START + [0, 0, 0, 0, 0, 0.1, 0]
    _, before = pose(arm, tilted)
    _, after = pose(arm, integrate(kinematics, tilted, [0.0] * 6, 100))
    assert np.linalg.norm(after[:, 2] - begin[:, 2]) < 0.2 * np.linalg.norm(before[:, 2] - begin[:, 2])


def test_joint_limits_hold_for_any_twist(arm: Arm) -> None:
    kinematics, rng = Kinematics(arm, PERIOD), np.random.default_rng(0)
    low, high = kinematics.clip(np.full(7, -9.0)), kinematics.clip(np.full(7, 9.0))
    for _ in range(8):
        angles = rng.uniform(low, high)
        twist = rng.uniform(-1, 1, 6)
        for _ in range(30):
            speeds = kinematics.velocities(angles, twist)
            assert (np.abs(speeds) <= np.array(arm.max_speed) + 1e-9).all()
            angles = angles + PERIOD * speeds
            assert (angles >= low - 1e-6).all() and (angles <= high + 1e-6).all()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"frame": "tentacle"}, "has no site or body 'tentacle'; it has .*right_l6"),
        ({"posture": (0.0,)}, "posture has 1 values, the joints up to right_l6 are right_j0, "),
        ({"max_speed": ()}, "max_speed has 0 values"),
        ({"model": "package://nobody/arm.urdf"}, "no model at package://nobody/arm.urdf; expected a URDF or MJCF file"),
        ({"model": "nothing.xml"}, "no model at nothing.xml"),
        ({"model": __file__}, "cannot load"),
    ],
)
def test_unusable_model_is_a_one_line_error(arm: Arm, change: dict, line: str) -> None:
    with pytest.raises(LosslessError, match=line):
        Kinematics(dataclasses.replace(arm, **change), PERIOD)


def test_model_is_found_in_a_ros_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "share" / "my_arm" / "urdf" / "arm.urdf"
    file.parent.mkdir(parents=True)
    file.write_text("<robot/>")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path}")
    assert find_model("package://my_arm/urdf/arm.urdf") == file


def test_joints_outside_the_chain_stand_still(tmp_path: Path) -> None:
    file = tmp_path / "arm.xml"
    file.write_text(
        """<mujoco><worldbody>
        <body name="upper"><joint name="a" axis="0 1 0" range="-2 2" limited="true"/><geom size=".01"/>
        <body name="lower" pos="0 0 .3"><joint name="b" axis="0 1 0" range="-2 2" limited="true"/><geom size=".01"/>
        <site name="tip" pos="0 0 .3"/><body name="finger"><joint name="f" type="slide"/><geom size=".01"/></body>
        </body></body></worldbody></mujoco>"""
    )
    kinematics = Kinematics(Arm(str(file), "tip", (0.3, 0.6), (1.0, 1.0)), PERIOD, tilts=True)
    assert kinematics.joints == ("a", "b")
    assert kinematics.velocities(np.array([0.3, 0.6]), np.array([0.05, 0, 0, 0, 0, 0])).shape == (2,)


def test_mujoco_that_cannot_be_imported_is_one_line():
    script = (
        "from lossless_ros.contract import load_robot\n"
        "from lossless_ros.control.kinematics import Kinematics\n"
        "from lossless_ros.errors import LosslessError\n"
        "try:\n    Kinematics(load_robot('sim').arm, 0.05)\n"
        "except LosslessError as error:\n    print(error)\n"
    )
    path = os.pathsep.join(part for part in sys.path if part)
    environment = {**os.environ, "MUJOCO_GL": "vulkan", "PYTHONPATH": path}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert ran.stdout.startswith("MuJoCo cannot be imported with MUJOCO_GL=vulkan ("), ran.stderr
    assert ran.stdout.count("\n") == 1
