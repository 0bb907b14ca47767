"""A bag played into the live node gives the same frames and commands as reading the bag, bit for bit.

Arm and gripper publish their joints separately.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.time import Time
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image, JointState

from lossless_ros.contract import TWIST_TOPIC, Robot, load_contract
from lossless_ros.episodes.reader import read_episode, read_messages
from lossless_ros.episodes.sim_messages import observation_messages, serialize
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.models.policy import load_policy
from lossless_ros.nodes.inference.observations import ObservationSubscriber
from lossless_ros.observation.frames import Frame
from lossless_ros.observation.messages import stamp_ns
from tests.support.gpu import needs_gpu
from tests.support.robot_stub import PATIENCE_S, NodeStub

CONTRACT = load_contract("rgb_stacking")
TOPICS = {CONTRACT.topic(stream): stream for stream in CONTRACT.streams}
KINDS = {"joint_states": JointState, "tcp_pose": PoseStamped}
STEPS = 8
REPUBLISH_S = 2.0  # images are best effort: a busy machine may lose one


class PlayerStub(NodeStub):
    """Plays a bag's messages one instant at a time, and records the resulting frames and commands."""

    def __init__(self, domain_id: int, namespace: str) -> None:
        super().__init__("player", domain_id, namespace)
        self.frames: dict[int, Frame] = {}
        self.commands: dict[int, TwistStamped] = {}
        self._clock = self.node.create_publisher(Clock, "clock", 10)
        self._publishers = {t: self.node.create_publisher(KINDS.get(s, Image), t, 10) for t, s in TOPICS.items()}
        self.node.create_subscription(TwistStamped, TWIST_TOPIC, self._on_command, 10)
        self.observations = ObservationSubscriber(self.node, CONTRACT, Robot(), "raw", self._on_frame)
        self.begin()

    @property
    def connected(self) -> bool:
        """Whether the node subscribes to every topic, in addition to the player itself."""
        return all(p.get_subscription_count() > 1 for p in self._publishers.values())

    def play(self, stamp: int, messages: list[tuple[str, Any]]) -> None:
        self._clock.publish(Clock(clock=Time(nanoseconds=stamp).to_msg()))
        for topic, msg in messages:
            self._publishers[topic].publish(serialize(msg))

    def _on_frame(self, frame: Frame) -> None:
        self.frames[frame.stamp] = frame

    def _on_command(self, msg: TwistStamped) -> None:
        self.commands[stamp_ns(msg)] = msg


def split_joints(msg: Any) -> list[Any]:
    """Return the joint states of arm and gripper as messages of their own, as most robots publish them."""
    halves = []
    for joints in (slice(0, 7), slice(7, 8)):
        values = {name: getattr(msg, name)[joints] for name in ("name", "position", "velocity", "effort")}
        halves.append(dataclasses.replace(msg, **values))
    return halves


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    path = tmp_path / "episode_000000"
    with EpisodeWriter(path, CONTRACT) as writer:
        for step in range(STEPS):
            stamp = 1_000_000_000 + step * CONTRACT.period_ns
            observation = {camera.name: random.integers(0, 256, (128, 128, 3), np.uint8) for camera in CONTRACT.cameras}
            for kind in ("position", "velocity", "effort"):
                observation |= {f"joint_{kind}": random.normal(size=7), f"gripper_{kind}": random.random(1)}
            observation["tcp_pose"] = np.array([0.6, 0, 0.2, 0, 0, 0, 1.0])
            messages = observation_messages(CONTRACT, stamp, observation)
            whole = messages.pop("joint_states")
            for topic, msg in [*messages.items(), *(("joint_states", part) for part in split_joints(whole))]:
                writer.copy(topic, stamp, serialize(msg))
            writer.act(stamp, random.uniform(-0.05, 0.05, 5))
        info = {"task": "rgb_stacking/triplet1", "domain": "nominal", "expert": "random", "contract": "rgb_stacking"}
        writer.close({**info, "seed": 0, "steps": STEPS, "success": False})
    return path


@pytest.mark.parametrize(("device", "runtime"), [("cpu", "torch"), pytest.param("cuda", "cuda_graph", marks=needs_gpu)])
def test_live_frames_and_commands_equal_those_of_the_bag(
    world: Any, bundle: Path, bag: Path, device: str, runtime: str
) -> None:
    episode = read_episode(bag, CONTRACT, Robot())
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the node
    try:
        policy = load_policy(bundle, device, runtime=runtime)
        expected = [policy.act(frame) for frame in episode.frames]
    finally:
        torch.set_num_threads(threads)
    player = world.stub(PlayerStub)
    world.start(
        "inference_node",
        f"/clock:={world.namespace}/clock",
        bundles=bundle,
        autostart=True,
        dry_run=False,
        use_sim_time=True,
        device=device,
        runtime=runtime,
    )
    world.wait_until(lambda: player.connected)
    instants: dict[int, list[tuple[str, Any]]] = {}
    for topic, _, msg in read_messages(bag, set(TOPICS)):
        instants.setdefault(stamp_ns(msg), []).append((topic, msg))
    time.sleep(1.0)  # time for the node to become active
    for stamp, messages in instants.items():
        end = time.monotonic() + PATIENCE_S
        while stamp not in player.commands:
            assert time.monotonic() < end
            player.play(stamp, messages)
            republish = time.monotonic() + REPUBLISH_S
            while stamp not in player.commands and time.monotonic() < republish:
                time.sleep(0.005)
    assert sorted(player.frames) == [frame.stamp for frame in episode.frames]
    for frame, action in zip(episode.frames, expected, strict=True):
        live = player.frames[frame.stamp]
        np.testing.assert_array_equal(live.proprioception, frame.proprioception)
        assert live.stamps == frame.stamps
        for ours, theirs in zip(live.images, frame.images, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        twist = player.commands[frame.stamp].twist
        sent = [twist.linear.x, twist.linear.y, twist.linear.z, twist.angular.z]
        assert sent == action[:-1].astype(np.float64).tolist()
