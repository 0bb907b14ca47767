"""What a configured inference node consists of: streams, policies, guarded commands, watchdog, diagnostics."""

import threading
import time
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from lossless_ros.contract import load_robot
from lossless_ros.control.inference_worker import InferenceWorker
from lossless_ros.control.safety import Guard
from lossless_ros.models.policy_library import choose_task, find_bundles, load_new_policies, load_policies
from lossless_ros.nodes.inference.commands import Commands
from lossless_ros.nodes.inference.debug_image import DebugImage
from lossless_ros.nodes.inference.diagnostics import Latencies, diagnostic_array
from lossless_ros.nodes.inference.observations import ObservationSubscriber
from lossless_ros.nodes.inference.parameters import contract_of, limits_of
from lossless_ros.observation.frames import Frame

_LEVELS = {"moving": DiagnosticStatus.OK, "idle": DiagnosticStatus.OK}  # every other state of the guard is an error
_SILENT_S = 2.0  # a topic without messages for this long is warned of, and so is a node that has not made a frame yet


class PolicyRunner:
    """Loads everything when made; drives the robot between `activate` and `deactivate`."""

    def __init__(self, node: Node, parameters: dict[str, Any]) -> None:
        found: dict[str, Path] = find_bundles(parameters["bundles"])
        self.task = choose_task(parameters["task"], found)
        robot = load_robot(parameters["robot"])
        begin = time.monotonic()
        self.policies = load_policies(
            found, *(parameters[name] for name in ("device", "threads", "runtime", "precision"))
        )
        self.contract = contract_of(parameters, self._policy.contract)
        node.get_logger().info(f"{len(found)} bundle(s) loaded and warmed up in {time.monotonic() - begin:.1f} s")
        self._node, self._parameters = node, parameters
        self._active, self._active_since = False, 0.0
        self._latency, self._inference, self._age = Latencies(), Latencies(), Latencies()
        self._frames_before = 0
        self._deadline = round(1e9 * (parameters["safety.deadline"] or 1 / self.contract.rate_hz))
        self._late, self._missed = 0, 0  # inferences past the deadline: in a row, and all
        guard = Guard(limits_of(self.contract, parameters), 1 / self.contract.rate_hz, parameters["resume"])
        how = (parameters[name] for name in ("command", "dry_run", "safety.alone"))
        self._commands = Commands(node, self.contract, robot, guard, *how)
        self._debug = DebugImage(node) if parameters["debug_image"] else None
        self._choosing = threading.Lock()  # no action of a task goes out once another one is chosen
        self._loop = InferenceWorker(self._act, self._warm_up)
        self._streams = ObservationSubscriber(node, self.contract, robot, parameters["image_transport"], self._on_frame)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Also comes when the node's clock stands still or jumps.
        self._reporter = node.create_timer(1.0, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))
        # Beside the executor, so that nothing that holds up a callback holds up the stop.
        self._closed = threading.Event()
        self._watchdog = threading.Thread(target=self._keep_watch, name="watchdog", daemon=True)
        self._watchdog.start()

    @property
    def _policy(self) -> Any:
        return self.policies[self.task]

    def activate(self) -> None:
        """Commands answer the frames from now on."""
        self._streams.restart()
        self.reset()
        self._commands.open()
        self._active, self._active_since = True, time.monotonic()
        where = "~/would_send (dry run)" if self._parameters["dry_run"] else "the robot"
        self._node.get_logger().info(
            f"active: task {self.task} on {self._policy.device} ({self._policy.runtime}, {self._policy.precision}) at "
            f"{self.contract.rate_hz:g} Hz, commands go to {where}"
        )

    def deactivate(self, reason: str) -> None:
        """No more commands; the stop goes out last."""
        self._active = False
        self._commands.close(reason)

    def close(self) -> None:
        """Deactivate and let go of everything."""
        self.deactivate("shutting down")
        self._loop.close()
        self._closed.set()
        self._watchdog.join(timeout=2.0)
        self._streams.close()
        self._commands.destroy()
        self._node.destroy_timer(self._reporter)
        self._node.destroy_publisher(self._diagnostics)
        if self._debug:
            self._debug.destroy()

    def switch(self, task: str) -> None:
        """Drive by another task's policy from the next frame on; the robot stops in between unless told not to."""
        with self._choosing:
            if task == self.task:
                return
            self.task = task
            if self._parameters["stop_at_switch"]:
                self._commands.pause("task", f"task is now {task}")

    def rescan(self) -> str:
        """Load the folder's new and changed bundles and say what was found; takes its time, any thread may call it.

        Raises:
            LosslessError: there is no folder.
        """
        how = (self._parameters[name] for name in ("device", "runtime", "precision"))
        new, faults = load_new_policies(self._parameters["bundles"], self.policies, *how)
        self.policies = {**self.policies, **new}
        said = "; ".join([f"new: {', '.join(sorted(new)) or 'none'}", *faults])
        logger = self._node.get_logger()
        if faults:
            logger.warning(f"rescan: {said}")
        else:
            logger.info(f"rescan: {said}")
        return said

    @property
    def latched(self) -> str:
        """Why only `release` lets the robot move again; empty if it may."""
        guard = self._commands.guard
        return guard.reason if guard.state == "latched" else ""

    def latch(self, reason: str) -> None:
        self._commands.stop("service", reason, latch=True)

    def release(self) -> None:
        self._commands.release()

    def reset(self) -> None:
        """A new episode begins: what was predicted in the one before no longer counts."""
        for policy in self.policies.values():
            policy.reset()

    def _on_frame(self, frame: Frame) -> None:
        if self._active:
            self._loop.submit(frame)

    def _warm_up(self) -> None:
        try:
            for policy in self.policies.values():
                policy.warm_up(1)
        except Exception as error:  # the first frame will tell it again, and stop
            self._node.get_logger().error(f"warming up: {type(error).__name__}: {error}")

    def _act(self, frame: Frame, offered: float) -> None:
        task = self.task
        try:
            self._answer(frame, offered, task)
        except Exception as error:  # whatever the model does, the robot must not go on
            self._commands.stop("policy", f"policy of {task} failed: {type(error).__name__}: {error}")

    def _answer(self, frame: Frame, offered: float, task: str) -> None:
        begin, since = time.monotonic(), self._now()
        action = self.policies[task].act(frame)
        self._inference.add(1e3 * (time.monotonic() - begin))
        in_time = self._in_time(self._now() - since)
        with self._choosing:
            sent = task == self.task and in_time and self._commands.send(frame, action)
        if sent:
            self._latency.add(1e3 * (time.monotonic() - offered))
            self._age.add(1e-6 * (self._now() - frame.stamp))
        if self._debug:
            self._debug.publish(frame)

    def _in_time(self, took: int) -> bool:
        """Whether an inference that took so long [ns] may be acted upon: one in a row may be late."""
        late = took > self._deadline
        self._late = self._late + 1 if late else 0
        self._missed += late
        if self._late < 2:
            return True
        times = f"inference took {took / 1e6:.0f} ms, allowed are {self._deadline / 1e6:g} ms"
        self._commands.stop("deadline", f"{times}; twice in a row")
        return False

    def _now(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def _keep_watch(self) -> None:
        while not self._closed.wait(0.5 / self.contract.rate_hz):
            try:
                self._commands.flush_pending_stop()
                self._watch()
            except Exception as error:  # a watchdog must not end; what fails now is tried again in the next turn
                reason = f"{type(error).__name__}: {error}"
                self._commands.stop("watchdog", reason)
                self._node.get_logger().error(f"watchdog failed: {reason}", throttle_duration_sec=2.0)

    def _watch(self) -> None:
        jump = self._commands.clock_fault()
        if jump:
            self._commands.stop("clock", jump)
            self._streams.restart()
            return
        fault = self._commands.command_timed_out()
        if fault:
            self._commands.stop("watchdog", self._bad_streams() or f"no new command: {fault}")

    def _bad_streams(self) -> str:
        """What is wrong with the streams at the moment; empty if nothing is."""
        silent = self._silent(2 / self.contract.rate_hz)
        bad = [f"{self._streams.topic(stream)}: {what}" for stream, what in list(self._streams.faults.items())]
        return "; ".join([*bad, f"nothing new on {silent}"] if silent else bad)

    def _silent(self, seconds: float) -> str:
        """Topics on which nothing came for so long, as text; empty if there are none."""
        ages = {stream: self._streams.age(stream) for stream in self.contract.streams}
        return ", ".join(self._streams.topic(s) for s, age in ages.items() if age is None or age > seconds)

    def _report(self) -> None:
        missing = ", ".join(map(self._streams.topic, self._streams.look_for_publishers()))
        silent = self._silent(_SILENT_S)
        warning = f"nobody publishes {missing}" if missing else ""
        warning = warning or (f"nothing arrives on {silent}, though it is published (type or QoS?)" if silent else "")
        warning = warning or self._commands.competing_publisher() or ""
        idle = time.monotonic() - self._active_since > _SILENT_S and self._commands.guard.state != "moving"
        if self._active and idle and not warning:
            warning = self._bad_streams() or (
                "" if self._streams.frames else "streams do not fit together, see those missing in frames"
            )
        if warning:
            self._node.get_logger().warning(warning, throttle_duration_sec=5.0)
        guard = self._commands.guard
        level = _LEVELS.get(guard.state, DiagnosticStatus.ERROR) if self._active else DiagnosticStatus.WARN
        state = guard.state if self._active else "inactive"
        message = f"{state}: {guard.reason}" if guard.state in ("stopped", "latched") else state
        if warning:
            level, message = max(level, DiagnosticStatus.WARN), f"{message}; {warning}"
        now = self._node.get_clock().now()
        name = self._node.get_fully_qualified_name().lstrip("/")
        status = diagnostic_array(now, name, self._parameters["robot"], level, message, self._values())
        self._diagnostics.publish(status)

    def _values(self) -> dict[str, Any]:
        streams, guard = self._streams, self._commands.guard
        frames, self._frames_before = streams.frames - self._frames_before, streams.frames
        values: dict[str, Any] = {
            "task": self.task,
            "tasks": ", ".join(self.policies),
            "guard": guard.state,
            "bundle": self._policy.bundle_hash,
            "device": self._policy.device,
            "runtime": self._policy.runtime,
            "precision": self._policy.precision,
            "dry_run": self._parameters["dry_run"],
            "frames per second": frames,
            "frames skipped": self._loop.skipped,
            "commands": self._commands.sent,
            "camera to command p50/p99/max [ms]": self._age.text(),
            "frame to command p50/p99/max [ms]": self._latency.text(),
            "inference p50/p99/max [ms]": self._inference.text(),
            "missed deadlines": self._missed,
            "stops": sum(guard.stops.values()),
            "stops by kind": ", ".join(f"{kind} {n}" for kind, n in list(guard.stops.items())) or "none",
            "last stop": guard.reason or "none",
        }
        for stream in self.contract.streams:
            age = streams.age(stream)
            values[f"{stream} rate [Hz]"] = f"{streams.rate(stream):.1f}"
            values[f"{stream} age [s]"] = "-" if age is None else f"{age:.3f}"
            values[f"{stream} fault"] = streams.faults.get(stream, "none")
            values[f"{stream} rejected"] = streams.rejected[stream]
            values[f"{stream} out of order"] = streams.aligner.ignored[stream]
            values[f"{stream} missing in frames"] = streams.aligner.gaps[stream]
        return values
