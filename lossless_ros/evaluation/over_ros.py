"""Closed-loop evaluation over ROS 2: the simulated robot and the inference node as two processes."""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lossless_ros import __version__
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.rollout import EvalConfig, check_training_seeds, describe_policy, summarize, with_defaults
from lossless_ros.models.bundle import copy_bundle, read_bundle
from lossless_ros.paths import find_bundle
from lossless_ros.simulation.env import check_contract, check_world
from lossless_ros.simulation.episode import check_numbers
from lossless_ros.testing.node_processes import NodeProcesses


def evaluate_over_ros(
    config: EvalConfig,
    device: str = "auto",
    mode: str = "lock_step",
    timeout: float = 120.0,
    on_progress: Callable[[dict[str, Any]], None] = lambda episode: None,
    on_steps: Callable[[int], object] = lambda count: None,
) -> dict[str, Any]:
    """Evaluate a bundle's policy with every step over real topics.

    Args:
        config: the job; its bundle acts, `workers` and `videos` are not used.
        device: of the inference node.
        mode: lock_step: the simulated robot waits for the command of every step; real_time: it does not.
        timeout: how long the simulated robot waits for the inference node, or for one of its commands [s].
        on_progress: called with the result of every episode.
        on_steps: called before it with the episode's number of control periods.

    Returns:
        The document of `rollout.evaluate`, and latency_ms {p50, p99, max}: from the start of publishing an observation
        to the arrival of the command that answers it, measured at the robot; latencies_ms: all of them.

    Raises:
        LosslessError: wrong argument, episodes that were trained on, or one of the processes failed; the message has
            its last line of output.
    """
    if config.bundle is None:
        raise LosslessError("--over-ros runs the inference node: give --bundle FILE, not --expert")
    bundle = find_bundle(config.bundle)
    metadata = read_bundle(bundle)
    config = with_defaults(config)
    task = config.task_name
    check_world(task, config.domain)
    check_contract(task, metadata.contract)
    check_numbers(config.episodes, config.seed, config.max_steps)
    check_training_seeds(config)

    def report(episode: dict[str, Any]) -> None:
        on_steps(episode["steps"])
        on_progress(episode)

    with tempfile.TemporaryDirectory(prefix="lossless_over_ros_") as folder:
        if config.execution is not None:  # the node executes what its bundle says
            copy_bundle(bundle, Path(folder, bundle.name), config.execution)
            bundle = Path(folder, bundle.name)
        contract, result = Path(folder, "contract.yaml"), Path(folder, "result.json")
        contract.write_text(metadata.contract.to_json())
        robot = {
            **{"task": task, "domain": config.domain, "contract": str(contract)},
            **{"seed": config.seed, "episodes": config.episodes, "steps": config.max_steps},
            **{"mode": mode, "result": str(result), "timeout": timeout},
        }
        if config.record:
            robot["record"] = str(Path(config.record).resolve())
        policy = {
            **{"bundles": str(bundle.resolve()), "robot": "sim", "device": device, "runtime": config.runtime},
            **{"autostart": True, "dry_run": False, "use_sim_time": True},
        }
        with NodeProcesses(Path(folder), _weights_environment(config)) as nodes:
            nodes.start("inference_node", policy)
            nodes.start("sim_robot_node", robot)
            document = _follow(nodes, result, report)
    return summarize(task, config.domain, document["episodes"]) | {
        "latency_ms": document["latency_ms"],
        "latencies_ms": document["latencies_ms"],
        "bundle": str(config.bundle),
        "expert": None,
        "runtime": config.runtime,
        **describe_policy(config),
        "over_ros": True,
        "version": __version__,
    }


def _weights_environment(config: EvalConfig) -> dict[str, str]:
    """Return the variables for the backbone's weights; the inference node has no parameters for them."""
    environment = {} if config.weights is None else {"LOSSLESS_WEIGHTS": str(Path(config.weights).resolve())}
    return {**environment, "LOSSLESS_ALLOW_HUB": "1"} if config.allow_hub else environment


def _follow(nodes: NodeProcesses, result: Path, on_progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Wait for the finished result file; report each episode as it is written."""
    reported = 0
    while True:
        ended = nodes.ended()
        document: dict[str, Any] = {"episodes": [], "finished": False}
        if result.exists():
            document = json.loads(result.read_text())
        for episode in document["episodes"][reported:]:
            on_progress(episode)
        reported = len(document["episodes"])
        if document["finished"]:
            return document
        if ended:
            raise LosslessError(f"{ended[0]} ended before the last episode: {nodes.last_line(ended[0])}")
        time.sleep(0.1)
