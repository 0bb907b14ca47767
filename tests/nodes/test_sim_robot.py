"""The simulated robot as a process, and evaluation with the robot and the inference node as two processes."""

import json
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lossless_sim", reason="the simulator is not installed")

from lossless_ros.contract import load_contract  # noqa: E402
from lossless_ros.episodes.reader import read_episode  # noqa: E402
from lossless_ros.errors import LosslessError  # noqa: E402
from lossless_ros.evaluation.over_ros import evaluate_over_ros  # noqa: E402
from lossless_ros.evaluation.rollout import EvalConfig, evaluate  # noqa: E402
from lossless_ros.observation.images import image_to_rgb  # noqa: E402
from lossless_ros.simulation.env import make_env  # noqa: E402
from tests.support.node_policies import write_policy  # noqa: E402

PERIOD = 50_000_000
TASK = "rgb_stacking/triplet1"


def test_lock_step_equals_the_environment(world: Any, tmp_path: Path) -> None:
    controller = world.controller()
    result = tmp_path / "result.json"
    remap = f"/clock:={world.namespace}/clock"
    robot = world.start(
        "sim_robot_node", remap, mode="lock_step", task=TASK, seed=3, episodes=2, steps=4, result=result
    )
    _, errors = robot.communicate(timeout=300)
    assert robot.returncode == 0, errors
    stamps = sorted(controller.images)
    assert np.diff(stamps).tolist() == [PERIOD] * 7
    env = make_env(TASK, "nominal", cameras=("basket_front_left", "basket_front_right"), image_size=128)
    action = np.array([0.02, 0, 0, 0, 1], np.float32)
    for seed, first in ((3, 0), (4, 4)):
        observation, _ = env.reset(seed=seed)
        for stamp in stamps[first : first + 4]:
            for camera, msg in controller.images[stamp].items():
                np.testing.assert_array_equal(image_to_rgb(msg), observation[camera])
            np.testing.assert_array_equal(controller.joints[stamp].position[:7], observation["joint_position"])
            observation, *_ = env.step(action)
    env.close()
    document = json.loads(result.read_text())
    assert document["finished"] and [e["seed"] for e in document["episodes"]] == [3, 4]
    assert [e["steps"] for e in document["episodes"]] == [4, 4]


def test_real_time_waits_for_commands_and_ends_on_a_signal(world: Any) -> None:
    controller = world.controller()
    controller.answering = False
    options = {"mode": "real_time", "task": TASK, "steps": 4, "seed": 3}
    robot = world.start("sim_robot_node", f"/clock:={world.namespace}/clock", **options)
    world.wait_until(lambda: len(controller.tool) >= 60)
    assert np.ptp(controller.tool, axis=0).max() < 0.001  # m: it stands still
    controller.answering = True
    world.wait_until(lambda: np.ptp(controller.tool, axis=0).max() > 0.001)
    robot.send_signal(signal.SIGTERM)
    _, log = robot.communicate(timeout=60)
    assert robot.returncode == 0, log
    begin = log.index("seed 3: commands arrive, the episode begins")
    assert "nobody commands the arm, which stands still in the scene of seed 3: " in log[:begin]
    assert "no success" not in log[:begin]  # nothing is scored before
    assert re.search(r"interrupted: 0 of \d+ scored episodes successful", log)


def test_task_and_contract_are_the_named_ones_or_the_bundles(tmp_path: Path) -> None:
    from lossless_ros.nodes.sim_robot_node import resolve_task

    default = load_contract("rgb_stacking")
    contract = replace(default, name="without_joints", proprioception=default.proprioception[1:])
    for triplet in (2, 5):
        name = f"triplet{triplet}"
        write_policy(tmp_path / f"{name}.safetensors", f"rgb_stacking/{name}", seed=0, contract=contract)
    one = {"bundles": str(tmp_path / "triplet5.safetensors"), "task": "", "contract": ""}
    assert resolve_task(one) == ("rgb_stacking/triplet5", contract)
    assert resolve_task(one | {"contract": "rgb_stacking"}) == ("rgb_stacking/triplet5", default)
    both = one | {"bundles": str(tmp_path)}
    assert resolve_task(both | {"task": "rgb_stacking/triplet2"}) == ("rgb_stacking/triplet2", contract)
    with pytest.raises(LosslessError, match="several tasks, choose one"):
        resolve_task(both)
    none = {"bundles": "", "task": "", "contract": ""}
    assert resolve_task(none) == ("rgb_stacking/triplet1", default)
    assert resolve_task(none | {"task": "rgb_stacking/triplet3"}) == ("rgb_stacking/triplet3", default)


@pytest.mark.parametrize(
    ("parameters", "line"),
    [
        ({"task": "juggling"}, "unknown task 'juggling'"),
        ({"domain": "mars"}, "mars"),
        ({"bundles": "triplet9"}, "unknown bundle 'triplet9'; known: "),
        ({"mode": "turbo"}, "parameter mode is 'turbo', expected real_time or lock_step"),
        ({"steps": -1}, "parameter steps is -1"),
        ({"mode": "lock_step", "timeout": 0.5}, "no inference node after 0.5 s: nothing is connected to"),
    ],
)
def test_mistake_is_one_line_and_exit_code_2(world: Any, parameters: dict[str, Any], line: str) -> None:
    process = world.start("sim_robot_node", **parameters)
    _, errors = process.communicate(timeout=120)
    lines = [text for text in errors.splitlines() if "[INFO]" not in text]
    assert process.returncode == 2
    assert len(lines) == 1 and lines[0].startswith("error: ") and line in lines[0]


def test_evaluation_over_ros_scores_every_episode(bundle: Path) -> None:
    reported: list[dict[str, Any]] = []
    config = EvalConfig(bundle=bundle, domain="nominal", episodes=2, seed=7, max_steps=5)
    document = evaluate_over_ros(config, device="cpu", on_progress=reported.append)
    assert (document["task"], document["n"], document["seeds"]) == (TASK, 2, [7, 8])
    assert document["episodes"] == reported and [e["steps"] for e in reported] == [5, 5]
    assert 0 < document["latency_ms"]["p50"] <= document["latency_ms"]["p99"] <= document["latency_ms"]["max"]
    assert document["over_ros"]


def test_unstable_simulation_scores_as_without_ros(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo leaves a log where it runs
    domain, bags = tmp_path / "explosive.yaml", tmp_path / "bags"
    domain.write_text("dynamics: {object_mass: {range: [1.0e-30, 1.0e-30], unit: 1, reason: it explodes}}")
    config = EvalConfig(bundle=bundle, domain=str(domain), episodes=2, max_steps=6)
    document = evaluate_over_ros(replace(config, record=bags), device="cpu")
    assert all("went unstable at step" in episode["unstable"] for episode in document["episodes"])
    assert document["episodes"] == evaluate(config)["episodes"]
    assert not list(bags.glob("*"))


def test_evaluation_over_ros_reports_why_a_node_failed(bundle: Path) -> None:
    with pytest.raises(LosslessError, match="inference_node ended before the last episode: no device 'abacus' here"):
        evaluate_over_ros(EvalConfig(bundle=bundle, domain="nominal", episodes=1), device="abacus")


@pytest.mark.parametrize(("chunk_size", "execution"), [(1, None), (4, None), (4, "open_loop:3")])
def test_in_process_and_over_ros_agree_action_for_action(
    make_bundle: Any, tmp_path: Path, chunk_size: int, execution: str | None
) -> None:
    """The bags of both runs hold the same frames and the same commands, bit for bit; no episode depends on another."""
    bundle = make_bundle(tmp_path / "policy.safetensors", TASK, 1, chunk_size=chunk_size)
    config = EvalConfig(bundle=bundle, episodes=2, seed=7, max_steps=6, execution=execution)
    direct = evaluate(replace(config, record=tmp_path / "direct"))
    over_ros = evaluate_over_ros(replace(config, record=tmp_path / "ros"), device="cpu")
    contract = load_contract("rgb_stacking")
    for name in ("episode_000007", "episode_000008"):
        one, other = (read_episode(tmp_path / way / name, contract) for way in ("direct", "ros"))
        assert len(one.frames) == len(other.frames) == 6 and np.ptp(one.actions, axis=0).max() > 0
        np.testing.assert_array_equal(one.actions, other.actions)
        for a, b in zip(one.frames, other.frames, strict=True):
            np.testing.assert_array_equal(a.images, b.images)
            np.testing.assert_array_equal(a.proprioception, b.proprioception)
    own = {"driver_ms", "return"}
    mine, theirs = ([{k: v for k, v in e.items() if k not in own} for e in d["episodes"]] for d in (direct, over_ros))
    assert mine == theirs
    assert direct["execution"] == over_ros["execution"] == (execution or "ensemble:-0.1")
