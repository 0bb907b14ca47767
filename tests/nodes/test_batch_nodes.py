"""Collection and replay as nodes: they do their work, log it, and exit."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossless_ros.contract import load_contract
from lossless_ros.episodes.writer import EpisodeWriter

INFO = {
    "task": "rgb_stacking/triplet1",
    "domain": "nominal",
    "expert": "random",
    "contract": "rgb_stacking",
    "seed": 4,
    "steps": 6,
    "success": False,
}


@pytest.fixture
def episode(tmp_path: Path) -> Path:
    """A recorded episode of six steps, named as by `lossless collect`."""
    rng = np.random.default_rng(0)
    contract = load_contract("rgb_stacking")
    kinds = ("position", "velocity", "effort")
    with EpisodeWriter(tmp_path / "episodes" / "episode_000004", contract) as writer:
        for step in range(6):
            stamp = 1_000_000_000 + step * contract.period_ns
            observation = {camera.name: rng.integers(0, 256, (128, 128, 3), np.uint8) for camera in contract.cameras}
            observation |= {f"joint_{kind}": rng.normal(size=7) for kind in kinds}
            observation |= {f"gripper_{kind}": rng.random(1) for kind in kinds}
            observation["tcp_pose"] = np.array([0.6, 0, 0.2, 0, 0, 0, 1.0])
            writer.observe(stamp, observation)
            writer.act(stamp, rng.uniform(-0.05, 0.05, 5))
        return writer.close(INFO)


def test_replay_node_writes_its_result(world: Any, bundle: Path, episode: Path, tmp_path: Path) -> None:
    result = tmp_path / "replay.json"
    process = world.start("replay_node", bundle=bundle, bag=episode.parent, device="cpu", result=result)
    _, log = process.communicate(timeout=300)
    assert process.returncode == 0, log
    document = json.loads(result.read_text())
    assert (document["n"], document["frames"]) == (1, 6)
    assert "gripper agreement" in log and "angular.z: mean absolute error" in log


def test_collection_node_keeps_existing_episodes(world: Any, episode: Path) -> None:
    pytest.importorskip("lossless_sim", reason="the simulator is not installed")
    given = {key: INFO[key] for key in ("task", "domain", "expert", "seed")}
    given |= {"image_format": "raw", "expert_noise": 0.0, "gripper_noise": 0.0}
    process = world.start("collection_node", out=episode.parent, **given)
    _, log = process.communicate(timeout=300)
    assert process.returncode == 0, log
    assert "seed 4: no success after 6 steps" in log and "1 episodes in" in log


def test_collection_node_logs_why_an_episode_is_not_recorded(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lossless_sim", reason="the simulator is not installed")
    monkeypatch.chdir(tmp_path)  # MuJoCo leaves a log where it runs
    domain = tmp_path / "explosive.yaml"
    domain.write_text("dynamics: {object_mass: {range: [1.0e-30, 1.0e-30], unit: 1, reason: it explodes}}")
    given = {"domain": domain, "expert": "random", "expert_noise": 0.1, "max_steps": 6}
    process = world.start("collection_node", out=tmp_path / "out", **given)
    _, log = process.communicate(timeout=300)
    assert process.returncode == 0, log
    assert "seed 0: not recorded: the simulation went unstable at step" in log


def test_interrupted_collection_ends_at_once_and_says_that_episodes_are_kept(world: Any, tmp_path: Path) -> None:
    pytest.importorskip("lossless_sim", reason="the simulator is not installed")
    process = world.start("collection_node", out=tmp_path / "out", expert="random", domain="nominal", episodes=50)
    part = tmp_path / "out"
    world.wait_until(lambda: list(part.glob(".*.part")))
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert "Traceback" not in log and not list(part.glob("episode_*"))


MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("collection_node", {}, "parameter out is empty"),
    ("collection_node", {"out": "/proc/nowhere"}, "/proc/nowhere"),
    ("collection_node", {"out": "out", "episodes": 0}, "parameter episodes is 0, expected at least 1"),
    ("collection_node", {"out": "out", "expert_noise": 1.5}, "parameter expert_noise is 1.5, expected -1 to 1"),
    ("collection_node", {"out": "out", "task": "juggling"}, "unknown task 'juggling'"),
    ("replay_node", {}, "parameter bundle is empty"),
    ("replay_node", {"bundle": "nothing", "bag": "nowhere"}, "no such folder: nowhere"),
]


@pytest.mark.parametrize(("node", "parameters", "line"), MISTAKES, ids=[line for *_, line in MISTAKES])
def test_mistake_is_one_line_and_exit_code_2(world: Any, node: str, parameters: dict[str, Any], line: str) -> None:
    process = world.start(node, **parameters)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert len(errors.splitlines()) == 1 and errors.startswith("error: ") and line in errors
