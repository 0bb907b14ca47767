"""The simulated robot as a ROS 2 node: the same topics as the real one, a clock, and a score for every episode."""

import json
import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node
from std_srvs.srv import Trigger

from lossless_ros import __version__
from lossless_ros.contract import load_contract
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.episode_result import EpisodeResult
from lossless_ros.evaluation.statistics import percentiles
from lossless_ros.files import write_atomically
from lossless_ros.nodes.app.parameters import Parameter, declare, read
from lossless_ros.nodes.app.process import run
from lossless_ros.nodes.inference_node import COMMANDS
from lossless_ros.nodes.sim_robot.interface import Command, SimRobotInterface
from lossless_ros.simulation.env import simulator_errors
from lossless_ros.simulation.episode import START_NS, episode_name, make_simulator, stamp_of

PARAMETERS = (
    Parameter("task", "rgb_stacking/triplet1", "Task, suite/name."),
    Parameter("domain", "nominal", "How the world looks and behaves: a name from config/domains or a path."),
    Parameter("contract", "rgb_stacking", "Contract, a name from config/contracts or a path."),
    Parameter("seed", 0, "Seed of the first episode; each next one has the next seed."),
    Parameter("episodes", 0, "Number of episodes; 0: until stopped."),
    Parameter("steps", 0, "End an episode after this many steps, if the task does not before; 0: the task's own."),
    Parameter("mode", "real_time", "lock_step: each step waits for its command.", ("real_time", "lock_step")),
    Parameter("command", "twist", "Kind of command that it obeys: that of the inference node.", COMMANDS),
    Parameter("result", "", "JSON file for the score, written after every episode; empty: none."),
    Parameter("record", "", "Folder for a rosbag2 folder per episode, as lossless collect writes them; empty: none."),
    Parameter("timeout", 120.0, "Give up when no inference node answers for this long [s]."),
)
COMMAND_TIMEOUT_S = 0.1  # as MoveIt Servo's incoming_command_timeout: then the arm stands still
_REPEAT_S = 2.0  # an unanswered observation is published again: images are best effort, one can be lost


class SimRobotNode(Node):
    """Runs episodes: publishes what the robot sees, does what it is told, scores at the end of each."""

    def __init__(self) -> None:
        super().__init__("sim_robot_node")
        declare(self, PARAMETERS)
        self._parameters = read(self, PARAMETERS)
        self._contract = load_contract(self._parameters["contract"])
        self._robot = SimRobotInterface(self, self._contract, self._parameters["command"])
        self._new_episode = self.create_client(Trigger, "inference_node/new_episode")
        self._stamp = START_NS
        self._goal: np.ndarray | None = None  # of the last trajectory [rad]
        self._latencies: list[float] = []
        self._episodes: list[dict[str, Any]] = []

    @property
    def node(self) -> Node:
        return self

    def start(self, done: threading.Event) -> None:
        """Tell wrong names before the simulator is built."""
        from lossless_ros.evaluation.rollout import check_world

        for name in ("episodes", "seed", "steps"):
            if self._parameters[name] < 0:
                raise LosslessError(f"parameter {name} is {self._parameters[name]}, expected at least 0")
        if self._parameters["record"] and self._parameters["command"] != "twist":
            raise LosslessError("parameter record needs command twist: an episode holds velocities of the hand")
        with simulator_errors():
            check_world(self._parameters["task"], self._parameters["domain"])

    def main_loop(self, done: threading.Event) -> int:
        first, number = self._parameters["seed"], self._parameters["episodes"]
        with simulator_errors():
            env = make_simulator(self._parameters["task"], self._parameters["domain"], self._contract)
        try:
            self._wait_for_driver(done)
            seed = first
            while not done.is_set() and (not number or seed < first + number):
                self._announce(done)
                episode = self._episode(env, seed, done)
                if episode:
                    self._episodes.append(episode)
                    self._write(finished=len(self._episodes) == number)
                    verdict = episode.get("unstable") or ("success" if episode["success"] else "no success")
                    self.get_logger().info(f"seed {seed}: {verdict} after {episode['steps']} steps")
                seed += 1
        finally:
            env.close()
        return 0

    def stop(self) -> None:
        """Nothing to do: a simulated robot hurts nobody."""

    def _wait_for_driver(self, done: threading.Event) -> None:
        end = time.monotonic() + self._parameters["timeout"]
        while (missing := self._robot.unconnected()) and not done.wait(0.05):
            self._robot.tick(self._stamp)
            self.get_logger().info("waiting for the inference node", throttle_duration_sec=10.0)
            if time.monotonic() > end:
                raise LosslessError(
                    f"no inference node after {self._parameters['timeout']:g} s: nobody at the other end of "
                    f"{', '.join(missing)}; does it run, in this domain, with the same contract?"
                )

    def _episode(self, env: Any, seed: int, done: threading.Event) -> dict[str, Any] | None:
        """Score of a whole episode, `unstable` if the simulation was lost; None if the process was asked to end."""
        from lossless_sim.errors import UnstableError

        outcome = EpisodeResult(seed, self._contract.period_ns / 1e9)
        try:
            rewards = self._run(env, seed, outcome, done)
        except UnstableError as error:
            return {**outcome.result(), "success": False, "unstable": str(error)}
        return None if rewards is None else {**outcome.result(), "return": rewards}

    def _run(self, env: Any, seed: int, outcome: EpisodeResult, done: threading.Event) -> float | None:
        """Run an episode, which `outcome` sees; its return, None if the process was asked to end before."""
        observation, info = env.reset(seed=seed)
        self._goal = None
        draw, recorder = info["draw"], self._recorder(seed)
        period = self._contract.period_ns
        rewards, steps, over = 0.0, 0, False
        answer = self._answer if self._parameters["mode"] == "lock_step" else self._hold
        next_step = time.monotonic()
        with recorder or nullcontext():  # of an episode that does not come to its end nothing is left
            while not over:
                next_step = max(next_step + period / 1e9, time.monotonic())
                command = answer(observation, next_step, done)
                if done.is_set() or command is None:
                    return None
                # as a servo does with a command
                command = replace(command, action=command.action.clip(env.action_space.low, env.action_space.high))
                if recorder:
                    stamp = stamp_of(steps, self._contract)
                    recorder.observe(stamp, observation)
                    recorder.act(stamp, command.action)
                self._stamp += period
                observation, reward, _, truncated, info = self._obey(env, observation, command)
                steps += 1
                rewards += float(reward)
                outcome.update(observation, info)
                over = truncated or steps == self._parameters["steps"]
            if recorder:
                names = {key: self._parameters[key] for key in ("task", "domain", "mode")}
                about = {"contract": self._contract.name, "draw": draw, "version": __version__}
                recorder.close({**names, **about, **outcome.result()})
        return rewards

    def _announce(self, done: threading.Event) -> None:
        """Tell the inference node that a new episode begins; another driver than that need not know."""
        if not self._new_episode.service_is_ready():
            return
        answer = self._new_episode.call_async(Trigger.Request())
        end = time.monotonic() + self._parameters["timeout"]
        while not (answer.done() or done.wait(0.005) or time.monotonic() > end):
            pass

    def _recorder(self, seed: int) -> EpisodeWriter | None:
        folder = self._parameters["record"]
        return EpisodeWriter(Path(folder) / episode_name(seed), self._contract) if folder else None

    def _answer(self, observation: dict[str, Any], next_step: float, done: threading.Event) -> Command | None:
        """Lock step: the command that answers this observation, however long it takes."""
        end = time.monotonic() + self._parameters["timeout"]
        since = self._robot.publish(self._stamp, observation)
        again = time.monotonic() + _REPEAT_S
        while not done.is_set():
            command = self._robot.reply(self._stamp, since, timeout=0.2)
            if command:
                self._latencies.append(1e3 * (command.arrived - since))
                return command
            if time.monotonic() > end:
                raise LosslessError(f"no command for {self._parameters['timeout']:g} s; see the inference node's log")
            if time.monotonic() > again:
                self._robot.publish(self._stamp, observation)
                again = time.monotonic() + _REPEAT_S
        return None

    def _hold(self, observation: dict[str, Any], next_step: float, done: threading.Event) -> Command | None:
        """Real time: whatever command is the newest when the step is due."""
        since = self._robot.publish(self._stamp, observation)
        command = self._robot.reply(self._stamp, since, timeout=next_step - time.monotonic())
        if command:
            self._latencies.append(1e3 * (command.arrived - since))
        done.wait(max(next_step - time.monotonic(), 0.0))
        return self._robot.newest(COMMAND_TIMEOUT_S)

    def _obey(self, env: Any, observation: dict[str, Any], command: Command) -> Any:
        """One step of the environment by the command."""
        if command.joints is None:
            return env.step(command.action)
        speeds = command.joints
        if self._parameters["command"] == "joint_trajectory":  # from the last point on, as ros2_control interpolates
            begin = self._goal if self._goal is not None else observation["joint_position"]
            speeds, self._goal = (command.joints - begin) / (self._contract.period_ns / 1e9), command.joints
        return env.unwrapped.step_joints(speeds, float(command.action[-1]))

    def _write(self, finished: bool) -> None:
        document = {
            **{key: self._parameters[key] for key in ("task", "domain", "mode")},
            "contract": self._contract.name,
            "finished": finished,
            "episodes": self._episodes,
            "latencies_ms": self._latencies,
            "latency_ms": percentiles(self._latencies) if self._latencies else None,
        }
        if self._parameters["result"]:
            write_atomically(Path(self._parameters["result"]), (json.dumps(document, indent=1) + "\n").encode())


def main(args: list[str] | None = None) -> int:
    """Entry point of `sim_robot_node`."""
    return run(SimRobotNode, args)


if __name__ == "__main__":
    sys.exit(main())
