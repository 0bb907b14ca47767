"""Episodes of the simulated robot: publish an observation, take a command, step the simulation, score the result."""

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lossless_ros import __version__
from lossless_ros.contract import Contract
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.episode_result import EpisodeResult
from lossless_ros.nodes.sim_robot.interface import ReceivedCommand, SimRobotInterface
from lossless_ros.simulation.env import Observation, UnstableEpisodeError, find_suite, simulator_errors
from lossless_ros.simulation.episode import START_NS, episode_name, stamp_of

COMMAND_TIMEOUT_S = 0.1  # as MoveIt Servo's incoming_command_timeout: then the arm stands still
_REPUBLISH_S = 2.0  # an unanswered observation is published again: images are best effort, one can be lost


class EpisodeRunner:
    """Runs episodes in an environment, over a simulated robot's topics; `parameters` are those of its node."""

    def __init__(self, env: Any, interface: SimRobotInterface, contract: Contract, parameters: dict[str, Any]) -> None:
        self.stamp = START_NS  # of the next observation [ns]; it increases over all episodes
        self.latencies: list[float] = []  # from publishing an observation to the command that answers it [ms]
        self._env, self._interface, self._contract, self._parameters = env, interface, contract, parameters
        self._goal: np.ndarray | None = None  # joint positions of the last trajectory point [rad, m]
        self._joint_names = find_suite(parameters["task"]).joint_names

    def hold(self, seed: int, done: threading.Event, on_wait: Callable[[], object]) -> None:
        """Show the first observation of the episode with this seed until a command arrives or `done` is set.

        The arm stands still, the clock runs. `on_wait` is called once per control period.
        """
        with simulator_errors():
            observation, _ = self._env.reset(seed=seed)
        before, period_s = self._interface.arm_commands, self._contract.period_ns / 1e9
        next_step = time.monotonic()
        while self._interface.arm_commands == before and not done.is_set():
            self._interface.publish(self.stamp, observation)
            self.stamp += self._contract.period_ns
            next_step = max(next_step + period_s, time.monotonic())
            done.wait(next_step - time.monotonic())
            on_wait()

    def run(self, seed: int, done: threading.Event) -> dict[str, Any] | None:
        """Run the episode with this seed; return None if `done` was set before its end.

        Returns:
            The document of `EpisodeResult` with the `return`, or with `unstable` if the physics diverged.

        Raises:
            LosslessError: no command arrived in time (lock step only), or the episode cannot be recorded.
        """
        result = EpisodeResult(self._parameters["task"], seed, self._contract.period_ns / 1e9)
        try:
            with simulator_errors():
                rewards = self._run(seed, result, done)
        except UnstableEpisodeError as error:
            return {**result.document(), "success": False, "unstable": str(error)}
        return None if rewards is None else {**result.document(), "return": rewards}

    def _run(self, seed: int, result: EpisodeResult, done: threading.Event) -> float | None:
        """Run an episode, followed by `result`; return the sum of rewards, None if `done` was set before its end."""
        observation, info = self._env.reset(seed=seed)
        self._goal = None
        draw, recorder = info["draw"], self._recorder(seed)
        period = self._contract.period_ns
        space, ends_at_success = self._env.action_space, find_suite(self._parameters["task"]).ends_at_success
        rewards, steps, over = 0.0, 0, False
        take_command = self._wait_for_command if self._parameters["mode"] == "lock_step" else self._latest_command
        next_step = time.monotonic()
        with recorder or nullcontext():  # nothing is left of an incomplete episode
            while not over:
                next_step = max(next_step + period / 1e9, time.monotonic())
                command = take_command(observation, next_step, done)
                if done.is_set() or command is None:
                    return None
                command = self._as_motion(command, observation)
                command = replace(command, action=command.action.clip(space.low, space.high))  # as a servo does
                if recorder:
                    stamp = stamp_of(steps, self._contract)
                    recorder.observe(stamp, observation)
                    recorder.act(stamp, command.action)
                self.stamp += period
                observation, reward, _, truncated, info = self._apply_command(command)
                steps += 1
                rewards += float(reward)
                result.update(observation, info)
                over = truncated or steps == self._parameters["steps"] or (ends_at_success and info["success"])
            if recorder:
                names = {key: self._parameters[key] for key in ("task", "domain", "mode")}
                origin = {"contract": self._contract.name, "draw": draw, "version": __version__}
                recorder.close({**names, **origin, **result.document()})
        return rewards

    def _recorder(self, seed: int) -> EpisodeWriter | None:
        folder = self._parameters["record"]
        if not folder:
            return None
        return EpisodeWriter(Path(folder) / episode_name(seed), self._contract, joint_names=self._joint_names)

    def _wait_for_command(
        self, observation: Observation, next_step: float, done: threading.Event
    ) -> ReceivedCommand | None:
        """Return the command that answers this observation, however long it takes (lock step)."""
        end = time.monotonic() + self._parameters["timeout"]
        published = self._interface.publish(self.stamp, observation)
        republish = time.monotonic() + _REPUBLISH_S
        while not done.is_set():
            command = self._interface.wait_for_reply(self.stamp, published, timeout=0.2)
            if command:
                self.latencies.append(1e3 * (command.arrived - published))
                return command
            if time.monotonic() > end:
                raise LosslessError(f"no command for {self._parameters['timeout']:g} s; see the inference node's log")
            if time.monotonic() > republish:
                self._interface.publish(self.stamp, observation)
                republish = time.monotonic() + _REPUBLISH_S
        return None

    def _latest_command(
        self, observation: Observation, next_step: float, done: threading.Event
    ) -> ReceivedCommand | None:
        """Return the newest command at the time of the next step (real time)."""
        published = self._interface.publish(self.stamp, observation)
        command = self._interface.wait_for_reply(self.stamp, published, timeout=next_step - time.monotonic())
        if command:
            self.latencies.append(1e3 * (command.arrived - published))
        done.wait(max(next_step - time.monotonic(), 0.0))
        return self._interface.latest(COMMAND_TIMEOUT_S)

    def _as_motion(self, command: ReceivedCommand, observation: Observation) -> ReceivedCommand:
        """Return the command with the joint velocities that lead to its trajectory point, if it has one, in its place.

        For a contract that commands joints these velocities are its action.
        """
        if command.point is None:
            return command
        if self._goal is None:
            kinds = ("joint_position", "gripper_position")
            positions = dict(zip(self._joint_names, np.concatenate([observation[k] for k in kinds]), strict=True))
            self._goal = np.array([positions[name] for name in self._interface.commanded_joints])
        # ros2_control interpolates from the last point
        speeds, self._goal = (command.point - self._goal) / (self._contract.period_ns / 1e9), command.point
        if not self._contract.action.joints:
            return replace(command, joints=speeds)
        action = command.action.copy()
        action[: len(speeds)] = speeds
        return replace(command, action=action)

    def _apply_command(self, command: ReceivedCommand) -> Any:
        """Step the environment by the command; return what `step` returns."""
        if command.joints is None:
            return self._env.step(command.action)
        return self._env.unwrapped.step_joints(command.joints, float(command.action[-1]))
