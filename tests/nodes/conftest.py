"""Fixtures: worlds of node processes, and policies for them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 (rclpy) is not installed")

from tests.support.node_policies import CONSTANT_OUTPUTS, write_policy  # noqa: E402
from tests.support.node_world import NodeWorld  # noqa: E402


@pytest.fixture(scope="session")
def make_world() -> type[NodeWorld]:
    return NodeWorld


@pytest.fixture
def world() -> Iterator[NodeWorld]:
    world = NodeWorld()
    yield world
    world.close()


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    return write_policy


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy with a random head that moves the arm."""
    return write_policy(tmp_path_factory.mktemp("bundle") / "triplet1.safetensors", "rgb_stacking/triplet1", seed=1)


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bundles of two tasks."""
    folder = tmp_path_factory.mktemp("bundles")
    for seed in (1, 2):
        write_policy(folder / f"triplet{seed}.safetensors", f"rgb_stacking/triplet{seed}", seed)
    return folder


@pytest.fixture(scope="session")
def constant_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy with constant outputs: 28, 14 and 7 mm/s, no rotation, gripper closed."""
    path = tmp_path_factory.mktemp("constant") / "triplet1.safetensors"
    return write_policy(path, "rgb_stacking/triplet1", seed=1, outputs=CONSTANT_OUTPUTS)
