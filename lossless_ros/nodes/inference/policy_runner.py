"""A configured inference node: observations, policies, guarded commands, watchdog and diagnostics, wired together."""

import threading
import time
from typing import Any

from rclpy.node import Node

from lossless_ros.contract import load_robot
from lossless_ros.control.deadline import Deadline
from lossless_ros.control.guard import Guard
from lossless_ros.control.inference_worker import InferenceWorker
from lossless_ros.control.watchdog import Watchdog
from lossless_ros.models.policy_library import RuntimeConfig
from lossless_ros.models.task_policies import TaskPolicies
from lossless_ros.nodes.inference.commands import Commands
from lossless_ros.nodes.inference.debug_image import DebugImage
from lossless_ros.nodes.inference.diagnostics import Latencies, StatusReporter, StatusSources
from lossless_ros.nodes.inference.observations import ObservationSubscriber
from lossless_ros.nodes.inference.parameters import (
    check_robot_limits,
    describe_limits,
    motion_limits,
    resolve_contract,
)
from lossless_ros.observation.frames import Frame


class PolicyRunner:
    """Loads everything when constructed; runs the policy between `activate` and `deactivate`."""

    def __init__(self, node: Node, parameters: dict[str, Any]) -> None:
        self._node, self._parameters = node, parameters
        robot = load_robot(parameters["robot"])
        begin = time.monotonic()
        runtime = RuntimeConfig(
            device=parameters["device"],
            runtime=parameters["runtime"],
            precision=parameters["precision"],
            threads=parameters["threads"],
        )
        self._policies = TaskPolicies(parameters["bundles"], parameters["task"], runtime)
        self._contract = resolve_contract(parameters, self._policies.active.contract)
        number = len(self._policies.tasks)
        node.get_logger().info(f"loaded and warmed up {number} bundle(s) in {time.monotonic() - begin:.1f} s")
        open_limits = check_robot_limits(self._contract, robot, parameters)
        if open_limits:
            node.get_logger().warning(open_limits)
        if robot.simulated and not parameters["dry_run"] and not node.get_parameter("use_sim_time").value:
            node.get_logger().warning(
                f"robot {parameters['robot']} is a simulated one, but the clock is not that of a simulation: "
                "for a real arm give its own file, robot:=FILE; for a simulated one use_sim_time:=true"
            )
        limits = motion_limits(self._contract, robot, parameters)
        in_force = describe_limits(self._contract, robot, limits)
        node.get_logger().info(f"limits of robot {parameters['robot']}: {in_force}")
        period = 1 / self._contract.rate_hz
        self._active = False
        self._latencies = Latencies()
        self._deadline = Deadline(round(1e9 * (parameters["safety.deadline"] or period)))
        self._commands = Commands(
            node,
            self._contract,
            robot,
            guard=Guard(limits, period, parameters["resume"], hold=self._contract.max_age_s + period),
            command=parameters["command"],
            dry_run=parameters["dry_run"],
            exclusive=parameters["safety.alone"],
        )
        self._debug_image = DebugImage(node) if parameters["debug_image"] else None
        self._seen_interruptions = 0  # stops after which the policy was reset
        self._task_lock = threading.Lock()  # no action of a task is sent once another task is active
        self._worker = InferenceWorker(self._act, self._warm_up)
        self._observations = ObservationSubscriber(
            node, self._commands.contract, robot, parameters["image_transport"], self._on_frame
        )
        sources = StatusSources(
            policies=self._policies,
            observations=self._observations,
            commands=self._commands,
            worker=self._worker,
            deadline=self._deadline,
            latencies=self._latencies,
            limits=in_force,
        )
        self._reporter = StatusReporter(node, parameters["robot"], parameters["dry_run"], sources)
        self._watchdog = Watchdog(self._check, self._on_watchdog_failure, interval=0.5 / self._contract.rate_hz)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the tasks whose policies are loaded."""
        return self._policies.tasks

    @property
    def latch_reason(self) -> str:
        """Return why only `release_stop` lets the robot move again; empty if it may move."""
        guard = self._commands.guard
        return guard.reason if guard.state == "latched" else ""

    def activate(self) -> None:
        """Answer frames with commands from now on."""
        self._observations.restart()
        self.reset()
        self._commands.open()
        self._active, self._reporter.active_since = True, time.monotonic()
        policy = self._policies.active
        dry_run = "~/would_send only (dry run; start with dry_run:=false to move the robot)"
        target = dry_run if self._parameters["dry_run"] else "the robot"
        self._node.get_logger().info(
            f"active: task {self._policies.task} on {policy.device} ({policy.runtime}, {policy.precision}) at "
            f"{self._contract.rate_hz:g} Hz, commands go to {target}"
        )

    def deactivate(self, reason: str) -> None:
        """Send no more commands; the stop is the last one."""
        self._active, self._reporter.active_since = False, None
        self._commands.close(reason)

    def close(self) -> None:
        """Deactivate and release all resources."""
        self.deactivate("shutting down")
        self._worker.close()
        self._watchdog.close()
        self._observations.close()
        self._commands.destroy()
        self._reporter.destroy()
        if self._debug_image:
            self._debug_image.destroy()

    def switch_task(self, task: str) -> None:
        """Use the policy of another task from the next frame on; the robot stops in between if so configured."""
        with self._task_lock:
            if task == self._policies.task:
                return
            self._policies[task].reset()  # what it predicted before the switch does not count
            self._policies.task = task
            if self._parameters["stop_at_switch"]:
                self._commands.pause("task", f"task is now {task}")

    def rescan(self) -> str:
        """Load the folder's new and changed bundles; return what was found. Takes time; any thread may call it.

        Raises:
            LosslessError: the bundles are not in a folder.
        """
        summary, good = self._policies.rescan()
        logger = self._node.get_logger()
        if good:
            logger.info(f"rescan: {summary}")
        else:
            logger.warning(f"rescan: {summary}")
        return summary

    def latch_stop(self, reason: str) -> None:
        """Stop the robot until `release_stop`."""
        self._commands.stop("service", reason, latch=True)

    def stop_for_fault(self, kind: str, reason: str) -> None:
        """Stop the robot; the next good frame moves it again, unless the guard latches faults."""
        self._commands.stop(kind, reason)

    def release_stop(self) -> None:
        """End a latched stop."""
        self._commands.release()

    def reset(self) -> None:
        """Start a new episode: predictions made during the previous one no longer count."""
        self._policies.reset()

    def _on_frame(self, frame: Frame) -> None:
        if self._active:
            self._worker.submit(frame)

    def _warm_up(self) -> None:
        try:
            self._policies.warm_up()
        except Exception as error:  # the first frame will fail for the same reason, and stop the robot
            self._node.get_logger().error(f"warm-up failed: {type(error).__name__}: {error}")

    def _act(self, frame: Frame, submitted: float) -> None:
        task = self._policies.task
        try:
            self._answer(frame, submitted, task)
        except Exception as error:  # whatever the model does, the robot must not go on
            self._commands.stop("policy", f"policy of {task} failed: {type(error).__name__}: {error}")

    def _answer(self, frame: Frame, submitted: float, task: str) -> None:
        """Run the policy of `task` on a frame and send its action, if it is in time and the task still active."""
        policy, guard = self._policies[task], self._commands.guard
        if guard.state != "moving" or guard.interruptions != self._seen_interruptions:
            self._seen_interruptions = guard.interruptions
            policy.reset()  # earlier predictions expected the robot to execute them
        begin, begin_ros = time.monotonic(), self._now()
        action = policy.act(frame)
        self._latencies.inference.add(1e3 * (time.monotonic() - begin))
        late = self._deadline.fault(self._now() - begin_ros)
        kind, fault = ("deadline", late) if late else self._observations.timing_fault()
        if fault:
            self._commands.stop(kind, fault)
        with self._task_lock:
            may_send = task == self._policies.task and not fault
            sent = may_send and self._commands.send(frame, action, submitted)
        if sent:
            self._latencies.frame_to_command.add(1e3 * (time.monotonic() - submitted))
            self._latencies.camera_to_command.add(1e-6 * (self._now() - frame.stamp))
        if self._debug_image:
            self._debug_image.publish(frame)

    def _check(self) -> None:
        """Stop the robot when its last command is too old or the clock is wrong; called by the watchdog."""
        self._commands.flush_pending_stop()
        clock_fault = self._commands.clock_fault()
        if clock_fault:
            self._commands.stop("clock", clock_fault)
            self._observations.restart()
            return
        timeout = self._commands.command_timed_out()
        if timeout:
            self._commands.stop("watchdog", self._observations.fault() or f"no new command: {timeout}")

    def _on_watchdog_failure(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        self._commands.stop("watchdog", reason)
        self._node.get_logger().error(f"watchdog failed: {reason}", throttle_duration_sec=2.0)

    def _now(self) -> int:
        return self._node.get_clock().now().nanoseconds
