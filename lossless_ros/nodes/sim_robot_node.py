"""The simulated robot as a ROS 2 node: the topics of the real one, a clock, and a score for every episode."""

import json
import math
import threading
import time
from pathlib import Path
from typing import Any

from rclpy.node import Node
from std_srvs.srv import Trigger

from lossless_ros import defaults
from lossless_ros.contract import COMMANDS, TOOL, Contract, load_contract, resolve_command
from lossless_ros.defaults import AUTO
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.statistics import percentiles
from lossless_ros.files import check_folder_writable, check_writable, write_atomically
from lossless_ros.models.bundle import read_bundle
from lossless_ros.models.policy_library import choose_task, find_bundles
from lossless_ros.nodes.app.parameters import NodeParameter, declare, print_help, read
from lossless_ros.nodes.app.process import leave, run
from lossless_ros.nodes.sim_robot.episode import EpisodeRunner
from lossless_ros.nodes.sim_robot.interface import SimRobotInterface
from lossless_ros.simulation.env import check_contract, check_world, find_suite, make_simulator

DEFAULT_TASK = "rgb_stacking/triplet1"
PARAMETERS = (
    NodeParameter(
        "bundles", "", "Bundles of the inference node, of which task and contract are taken; empty: of none."
    ),
    NodeParameter("task", "", f"Task, suite/name; empty: the bundle's, or {DEFAULT_TASK} without one."),
    NodeParameter("domain", "nominal", "Domain of the simulation: a name from config/domains or a path."),
    NodeParameter(
        "contract",
        "",
        "Contract: a name from config/contracts or a path; empty: the bundle's, or the suite's without one.",
    ),
    NodeParameter(
        "seed",
        defaults.EVAL_SEED,
        "Seed of the first episode; it increases by one with every episode.",
        range=(0, math.inf),
    ),
    NodeParameter("episodes", 0, "Number of episodes; 0: until the node is stopped.", range=(0, math.inf)),
    NodeParameter(
        "steps",
        0,
        "Maximum length of an episode; 0: the task's own.",
        unit="control periods",
        range=(0, math.inf),
    ),
    NodeParameter(
        "mode",
        "real_time",
        "real_time: a step per control period; lock_step: each step waits for its command.",
        choices=("real_time", "lock_step"),
    ),
    NodeParameter(
        "command",
        AUTO,
        "Kind of arm command to subscribe to: that of the inference node; auto: twist, or joint_velocity for a "
        "contract that commands joints.",
        choices=COMMANDS,
    ),
    NodeParameter("result", "", "JSON file for the score, written after every episode; empty: no file."),
    NodeParameter(
        "record", "", "Folder for the episodes, one rosbag2 folder each as of lossless collect; empty: do not record."
    ),
    NodeParameter(
        "timeout",
        120.0,
        "In lock_step: how long to wait for the inference node, or for one of its commands.",
        unit="s",
    ),
)


_COMMAND_PATIENCE_S = 2.0  # without commands, before the log says so
_ABOUT = (
    "Simulate a robot with the topics of a real one. Begin with -p bundles:=triplet5, and start inference_node in\n"
    "another terminal."
)


class SimRobotNode(Node):
    """Runs episodes: publishes observations, obeys commands, and scores each episode at its end."""

    def __init__(self) -> None:
        super().__init__("sim_robot_node")
        declare(self, PARAMETERS)
        task, self._contract = resolve_task(parameters := read(self, PARAMETERS))
        self._settings = parameters | {"task": task}
        joints = find_suite(task).joint_names
        self._interface = SimRobotInterface(self, self._contract, self._settings["command"], joints)
        self._new_episode = self.create_client(Trigger, "inference_node/new_episode")
        self._episodes: list[dict[str, Any]] = []

    @property
    def node(self) -> Node:
        return self

    def start(self, done: threading.Event) -> None:
        """Report wrong parameters before the simulator is built."""
        is_tool = self._contract.action.space == TOOL
        if (
            self._settings["record"]
            and is_tool
            and resolve_command(self._settings["command"], self._contract) != "twist"
        ):
            raise LosslessError("parameter record needs command twist: episodes hold velocities of the tool")
        if self._settings["result"]:
            check_writable(Path(self._settings["result"]))
        if self._settings["record"]:
            check_folder_writable(Path(self._settings["record"]))
        check_world(self._settings["task"], self._settings["domain"])
        check_contract(self._settings["task"], self._contract)

    def main_loop(self, done: threading.Event) -> int:
        first, number = self._settings["seed"], self._settings["episodes"]
        env = make_simulator(self._settings["task"], self._settings["domain"], self._contract)
        try:
            runner = EpisodeRunner(env, self._interface, self._contract, self._settings)
            if self._settings["mode"] == "lock_step":
                self._wait_for_inference_node(runner.stamp, done)
            seed = first
            while not done.is_set() and (not number or seed < first + number):
                if self._settings["mode"] == "real_time":
                    self._wait_for_command(runner, seed, done)
                self._announce_episode(done)
                episode = runner.run(seed, done)
                if episode and not self._interface.commander_is_connected:
                    self.get_logger().warning(f"seed {seed}: not scored, its commands have ended; it begins again")
                elif episode:
                    self._episodes.append(episode)
                    self._write_result(runner.latencies, finished=len(self._episodes) == number)
                    outcome = episode.get("unstable") or ("success" if episode["success"] else "no success")
                    self.get_logger().info(f"seed {seed}: {outcome} after {episode['steps']} steps")
                    seed += 1
            self._log_end(done)
        finally:
            env.close()
        return 0

    def on_callback_error(self, reason: str) -> None:
        """Do nothing: the arm obeys the next good command."""

    def stop(self) -> None:
        """Do nothing: a simulated robot needs no stop."""

    def _log_end(self, done: threading.Event) -> None:
        successes = sum(episode["success"] for episode in self._episodes)
        why = "interrupted" if done.is_set() else "finished"
        self.get_logger().info(f"{why}: {successes} of {len(self._episodes)} scored episodes successful")

    def _wait_for_command(self, runner: EpisodeRunner, seed: int, done: threading.Event) -> None:
        """Show the scene until somebody commands the arm: an episode without commands would count as a failure."""
        waiting = time.monotonic() + _COMMAND_PATIENCE_S

        def hint() -> None:
            if time.monotonic() < waiting:
                return
            topic = self._interface.command_topic
            if self._interface.commander_is_connected:
                why = f"a node publishes {topic}, but sends nothing: is it active?"
            else:
                why = (
                    f"no node publishes {topic}; start inference_node with -p autostart:=true -p use_sim_time:=true "
                    "-p dry_run:=false (a dry run publishes on ~/would_send only)"
                )
            self.get_logger().warning(
                f"nobody commands the arm, which stands still in the scene of seed {seed}: {why}",
                throttle_duration_sec=10.0,
            )

        runner.hold(seed, done, hint)
        if not done.is_set():
            self.get_logger().info(f"seed {seed}: commands arrive, the episode begins")

    def _wait_for_inference_node(self, stamp: int, done: threading.Event) -> None:
        """Wait until every topic is connected; the clock stands still at `stamp` [ns] meanwhile."""
        end = time.monotonic() + self._settings["timeout"]
        while (unconnected := self._interface.unconnected_topics()) and not done.wait(0.05):
            self._interface.tick(stamp)
            self.get_logger().info("waiting for the inference node", throttle_duration_sec=10.0)
            if time.monotonic() > end:
                raise LosslessError(
                    f"no inference node after {self._settings['timeout']:g} s: nothing is connected to "
                    f"{', '.join(unconnected)}; is it running in this ROS domain, with the same contract?"
                )

    def _announce_episode(self, done: threading.Event) -> None:
        """Tell the inference node that a new episode starts; other controllers do not need to know."""
        if not self._new_episode.service_is_ready():
            return
        response = self._new_episode.call_async(Trigger.Request())
        end = time.monotonic() + self._settings["timeout"]
        while not (response.done() or done.wait(0.005) or time.monotonic() > end):
            pass

    def _write_result(self, latencies: list[float], finished: bool) -> None:
        document = {
            **{key: self._settings[key] for key in ("task", "domain", "mode")},
            "contract": self._contract.name,
            "finished": finished,
            "episodes": self._episodes,
            "latencies_ms": latencies,
            "latency_ms": percentiles(latencies) if latencies else None,
        }
        if self._settings["result"]:
            write_atomically(Path(self._settings["result"]), (json.dumps(document, indent=1) + "\n").encode())


def resolve_task(parameters: dict[str, Any]) -> tuple[str, Contract]:
    """Return task and contract: those that are named, else those of the bundle, else the defaults.

    Raises:
        LosslessError: no such bundle or contract, an unknown task, or several and none is named.
    """
    task, contract = parameters["task"], parameters["contract"]
    if not parameters["bundles"]:
        task = task or DEFAULT_TASK
        return task, load_contract(contract or find_suite(task).contract)
    found = find_bundles(parameters["bundles"])
    task = choose_task(task, found)
    return task, load_contract(contract) if contract else read_bundle(found[task]).contract


def main(args: list[str] | None = None) -> int:
    """Entry point of `sim_robot_node`."""
    if print_help("sim_robot_node", _ABOUT, PARAMETERS, args):
        return 0
    return run(SimRobotNode, args)


if __name__ == "__main__":
    leave(main())
