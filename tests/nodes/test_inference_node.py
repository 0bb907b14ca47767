"""The inference node as a process, seen from a robot stub."""

import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from lossless_ros.observation.images import image_to_rgb


def test_real_robot_is_a_dry_run_by_default(world: Any, bundle: Any) -> None:
    """With compressed images and reliable publishers, as real cameras may have them."""
    robot = world.robot(compressed=True, reliable=True)
    joints = f"/joint_states:={world.namespace}/joint_states"
    process = world.start("inference_node", joints, bundles=bundle, autostart=True, runtime="auto", robot="sawyer")
    world.wait_until(lambda: len(robot.dry_run_commands) > 5)
    assert any(any(robot.velocity(msg)) for msg in robot.dry_run_commands)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0, process.stderr.read()
    world.wait_until(lambda: not any(robot.velocity(robot.dry_run_commands[-1])))
    assert not robot.commands and not robot.grippers


def test_shared_memory_goes_with_the_process(world: Any, constant_bundle: Any) -> None:
    robot = world.robot()
    process = world.start("inference_node", bundles=constant_bundle, autostart=True)
    world.wait_until(lambda: robot.moving)

    def shared(pid: int | str) -> set[str]:
        return {word for word in Path(f"/proc/{pid}/maps").read_text().split() if word.startswith("/dev/shm/fastrtps_")}

    files = shared(process.pid) - shared("self")  # each maps what the other one writes
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0, process.stderr.read()
    assert files
    assert not [file for file in files if Path(file).exists()]


def test_every_shutdown_ends_in_a_stop(world: Any, bundle: Any) -> None:
    robot = world.robot()
    process = world.start("inference_node", bundles=bundle)
    assert robot.change_state("configure")
    for _ in range(2):  # deactivate and activate again
        n = len(robot.commands)
        assert robot.change_state("activate")
        world.wait_until(lambda n=n: len(robot.commands) > n and robot.moving)
        assert robot.change_state("deactivate")
        world.wait_until(lambda: not robot.moving)
    assert robot.change_state("cleanup")
    assert not robot.change_state("activate")
    assert robot.change_state("configure") and robot.change_state("activate")
    world.wait_until(lambda: robot.moving)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0, process.stderr.read()
    world.wait_until(lambda: not robot.moving)


def test_closed_terminal_ends_in_a_stop(world: Any, constant_bundle: Any) -> None:
    """Also if the signal interrupts no system call, as with some policies on a GPU."""
    robot = world.robot()
    process = world.start("inference_node", fault="uninterruptible_sighup", bundles=constant_bundle, autostart=True)
    world.wait_until(lambda: robot.moving)
    process.send_signal(signal.SIGHUP)
    world.wait_until(lambda: not robot.moving)
    assert process.wait(timeout=60) == 0, process.stderr.read()


def test_latched_stop_survives_a_new_configuration(world: Any, constant_bundle: Any) -> None:
    robot = world.robot()
    world.start("inference_node", bundles=constant_bundle)
    assert robot.call("inference_node/stop", Trigger, Trigger.Request()).success  # before there is anything to stop
    for _ in range(2):
        assert robot.change_state("configure") and robot.change_state("activate")
        world.wait_until(lambda: robot.diagnostics and robot.diagnostics[-1]["guard"] == "latched")
        robot.diagnostics.clear()
        world.wait_until(lambda: len(robot.diagnostics) >= 2)
        assert robot.diagnostics[-1]["message"].startswith("latched: requested by ~/stop") and not robot.moving
        assert robot.change_state("deactivate") and robot.change_state("cleanup")
    assert robot.change_state("configure") and robot.change_state("activate")
    assert robot.call("inference_node/resume", Trigger, Trigger.Request()).success
    world.wait_until(lambda: robot.moving)


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"bundles": "nothing.safetensors"}, "no such file: nothing.safetensors"),
    ({"bundles": "nothing"}, "unknown bundle 'nothing'; known: triplet"),
    ({"bundles": "''"}, "parameter bundles is empty"),
    ({"robot": "r2d2"}, "unknown robot 'r2d2'; known: "),
    ({"task": "juggling"}, "unknown task 'juggling'; known: rgb_stacking/triplet1"),
    ({"contract": "marriage"}, "unknown contract 'marriage'; known: franka_kitchen, metaworld"),
    ({"bundels": "x"}, "unknown parameter 'bundels'; known: autostart, bundles"),
    ({"precision": "float7"}, "parameter precision is 'float7', expected auto or float32 or float16"),
    (
        {"runtime": "warp"},
        "parameter runtime is 'warp', expected auto or torch or openvino or onnxruntime or cuda_graph",
    ),
    ({"runtime": "torch", "precision": "float16"}, "runtime torch computes in float32"),
    ({"device": "cpu", "runtime": "cuda_graph"}, "runtime cuda_graph runs on cuda, not on cpu"),
    ({"dry_run": 3}, "expecting type 'BOOL'"),
    ({"threads": 0}, "parameter threads is 0, expected at least 1"),
    ({"device": "abacus"}, "no device 'abacus' here"),
    ({"safety__workspace": [1.0]}, "safety: workspace is [1.0]"),
]


@pytest.mark.parametrize(("parameters", "line"), MISTAKES, ids=[next(iter(p)) for p, _ in MISTAKES])
def test_mistake_is_one_line_and_exit_code_2(world: Any, bundle: Any, parameters: dict[str, Any], line: str) -> None:
    process = world.start("inference_node", **{"autostart": True, "bundles": bundle, **parameters})
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    lines = [text for text in errors.splitlines() if "[INFO]" not in text]
    assert len(lines) == 1 and lines[0].startswith("error: ") and line in lines[0]
    assert not output


@pytest.fixture(scope="module")
def running(make_world: Any, bundles: Any) -> Iterator[Any]:
    """A robot and an active node with two tasks; every test leaves the robot moving."""
    world = make_world()
    robot = world.robot()
    task = "rgb_stacking/triplet1"
    world.start("inference_node", bundles=bundles, task=task, autostart=True, debug_image=True)
    yield SimpleNamespace(world=world, robot=robot)
    world.close()


def test_robot_gets_a_command_for_every_frame(running: Any) -> None:
    world, robot = running.world, running.robot
    world.wait_until(lambda: len(robot.commands) >= 20 and robot.grippers)  # both topics are connected
    first, grippers = len(robot.commands), len(robot.grippers)
    world.wait_until(lambda: len(robot.commands) >= first + 40)
    moves = sum(any(robot.velocity(msg)) for msg in robot.commands[first:])  # a slow machine may add stops
    assert abs(moves - (len(robot.grippers) - grippers)) <= 2
    stamps = [msg.header.stamp.sec * 10**9 + msg.header.stamp.nanosec for msg in robot.commands]
    assert all(a < b for a, b in zip(stamps, stamps[1:], strict=False))
    assert all(msg.header.frame_id == "base" for msg in robot.commands)
    velocities = [robot.velocity(msg) for msg in robot.commands]
    assert max(abs(v) for velocity in velocities for v in velocity[:3]) <= 0.07
    assert all(velocity[3:5] == (0.0, 0.0) for velocity in velocities)
    assert set(robot.grippers) <= {0.0, 0.8}
    report = world.wait_until(lambda: robot.diagnostics and robot.diagnostics[-1])
    assert report["precision"] == ("float16" if report["device"] == "cuda" else "float32")
    assert report["limits"].startswith("velocity 0.07 m/s, 1 rad/s; acceleration inf m/s^2")
    assert report["task"] == "rgb_stacking/triplet1" and report["device"] == world.inference_device()["device"]


def test_debug_image_shows_the_policys_input(running: Any) -> None:
    world, robot = running.world, running.robot
    received: list[Image] = []
    topic = "inference_node/debug/image"
    subscription = robot.node.create_subscription(Image, topic, received.append, qos_profile_sensor_data)
    msg = world.wait_until(lambda: received and received[-1])
    robot.node.destroy_subscription(subscription)
    np.testing.assert_array_equal(image_to_rgb(msg), np.concatenate([robot.image] * 2, axis=1))
    stamps = [(sent.header.stamp.sec, sent.header.stamp.nanosec) for sent in robot.commands]
    assert (msg.header.stamp.sec, msg.header.stamp.nanosec) <= stamps[-1]


def test_stops_when_cameras_stop_and_moves_when_they_are_back(running: Any) -> None:
    world, robot = running.world, running.robot
    world.wait_until(lambda: robot.moving and robot.diagnostics)
    robot.cameras = False
    try:
        world.wait_until(lambda: not robot.moving and "basket_front_left" in robot.diagnostics[-1]["message"])
        assert robot.diagnostics[-1]["message"].startswith("stopped: ")
    finally:
        robot.cameras = True
    world.wait_until(lambda: robot.moving)


def test_service_latches_the_stop_until_resume(running: Any) -> None:
    world, robot = running.world, running.robot
    world.wait_until(lambda: robot.moving)
    robot.diagnostics.clear()
    assert robot.call("inference_node/stop", Trigger, Trigger.Request()).success
    world.wait_until(lambda: not robot.moving)
    n = len(robot.commands)
    world.wait_until(lambda: len(robot.diagnostics) >= 2)
    assert robot.diagnostics[-1]["message"].startswith("latched: requested by ~/stop")
    assert len(robot.commands) == n
    assert robot.call("inference_node/resume", Trigger, Trigger.Request()).success
    world.wait_until(lambda: robot.moving)


def test_task_switches_through_a_stop(running: Any) -> None:
    world, robot = running.world, running.robot
    world.wait_until(lambda: robot.moving)
    n = len(robot.commands)
    assert robot.set_parameter("task", "rgb_stacking/triplet2").successful
    world.wait_until(lambda: any(not any(robot.velocity(msg)) for msg in robot.commands[n:]) and robot.moving)
    world.wait_until(lambda: robot.diagnostics[-1]["task"] == "rgb_stacking/triplet2")


def test_parameter_that_cannot_be_set_is_refused_with_a_reason(running: Any) -> None:
    refused = running.robot.set_parameter("task", "rgb_stacking/triplet9")
    assert not refused.successful
    assert refused.reason.endswith("known: rgb_stacking/triplet1, rgb_stacking/triplet2")
    refused = running.robot.set_parameter("dry_run", True)
    assert not refused.successful and refused.reason.startswith("dry_run: fixed while configured")
