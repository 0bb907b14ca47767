"""Real nodes as processes, in a world of their own for every test."""

import os
import random
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 (rclpy) is not installed")

from lossless_ros.ros_environment import stay_on_this_machine, use_profile  # noqa: E402
from tests.support.robot_stub import PATIENCE_S, Pilot, Robot, wait_until  # noqa: E402


class World:
    """A domain and a namespace of their own, loopback only; `close` ends the processes in it.

    Nodes run in this interpreter and its import path, or in another.
    """

    def __init__(self, python: str = sys.executable, path: Sequence[str] | None = None) -> None:
        self._python = python
        path = sys.path if path is None else path  # not the one of before: importing cv2 leaves its own folder there
        self.domain_id = random.SystemRandom().randint(1, 101)
        self.namespace = f"/test_{secrets.token_hex(4)}"
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folder for folder in path if folder)}
        for environment in (self._environment, os.environ):  # the processes', and that of the test's own robot
            stay_on_this_machine(environment, self.domain_id)
            use_profile(environment)
        self._processes: list[subprocess.Popen[str]] = []
        self._closing: list[Callable[[], None]] = []

    def wait_until(self, what: Callable[[], Any], patience: float = PATIENCE_S) -> Any:
        """The first true value of `what`; fails when there was none in time, or a process failed meanwhile."""

        def alive_and_true() -> Any:
            for process in self._processes:
                assert not process.poll(), process.communicate()[1]
            return what()

        return wait_until(alive_and_true, patience)

    def start(self, name: str, *remaps: str, before: str = "", **parameters: Any) -> "subprocess.Popen[str]":
        """Start a node of the package with parameters (`__` in a name stands for a dot).

        `before` is Python that its process runs first.
        """
        if name == "inference_node":
            # A slow machine shall not make them stop, nor wait for a graph each time; a robot's file says if it is dry.
            parameters = {"safety__deadline": 10.0, **self.where(), "dry_run": "robot" in parameters} | parameters
        arguments = [
            w for key, value in parameters.items() for w in ("-p", f"{key.replace('__', '.')}:={_text(value)}")
        ]
        arguments += [w for rule in (f"__ns:={self.namespace}", *remaps) for w in ("-r", rule)]
        program = ["-m", f"lossless_ros.nodes.{name}"]
        if before:
            program = ["-c", f"{before}\nimport sys\nfrom lossless_ros.nodes.{name} import main\nsys.exit(main())"]
        process = subprocess.Popen(
            [self._python, *program, "--ros-args", *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    @staticmethod
    def where() -> dict[str, str]:
        """What the inference node runs on where a test does not say it: a GPU if there is one."""
        import torch

        gpu = torch.cuda.is_available()
        return {"device": "cuda" if gpu else "cpu", "runtime": "cuda_graph" if gpu else "torch"}

    def robot(self, **options: Any) -> Robot:
        robot = Robot(self.domain_id, self.namespace, **options)
        self._closing.append(robot.close)
        return robot

    def peer(self, kind: type[Any]) -> Any:
        """A program of that class (see peers.Peer) in this world."""
        made = kind(self.domain_id, self.namespace)
        self._closing.append(made.close)
        return made

    def pilot(self, answering: bool = True) -> Pilot:
        pilot = Pilot(self.domain_id, self.namespace, answering)
        self._closing.append(pilot.close)
        return pilot

    def close(self) -> None:
        for close in self._closing:
            close()
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.fixture(scope="session")
def make_world() -> type[World]:
    return World


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy on the real backbone, with adapters everywhere and a random head that moves the arm."""
    return write_policy(tmp_path_factory.mktemp("bundle") / "triplet1.safetensors", "rgb_stacking/triplet1", seed=1)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tasks' bundles."""
    folder = tmp_path_factory.mktemp("bundles")
    for seed in (1, 2):
        write_policy(folder / f"triplet{seed}.safetensors", f"rgb_stacking/triplet{seed}", seed)
    return folder


@pytest.fixture(scope="session")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that always says the same: 28, 14 and 7 mm/s, no turn, gripper closed."""
    path = tmp_path_factory.mktemp("steady") / "triplet1.safetensors"
    return write_policy(path, "rgb_stacking/triplet1", 1, always=(0.4, 0.2, 0.1, 0.0, 5.0))


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    return write_policy


def write_policy(path: Path, task: str, seed: int, always: tuple[float, ...] = (), chunk: int = 1) -> Path:
    import torch

    from lossless_ros.contract import load_contract
    from lossless_ros.models.backbones import load_backbone
    from lossless_ros.models.bundle import Bundle, save_bundle
    from lossless_ros.models.network import Network
    from lossless_ros.models.network_config import NetworkConfig

    backbone, contract = load_backbone("tf_efficientnet_lite0"), load_contract("rgb_stacking")
    config = NetworkConfig(("bottom", "middle", "top"), 4, 3, 128, 64, 2, (16,), chunk)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network(config, backbone, contract)
    if always:
        with torch.no_grad():
            network.head[-1].weight.zero_()
            network.head[-1].bias.copy_(torch.tensor(always))
    name, fingerprint = backbone.name, backbone.fingerprint
    save_bundle(path, Bundle(task, "adapters", contract, name, fingerprint, config), network.state_dict())
    return path
