"""The status of the inference node on /diagnostics, once a second."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from lossless_ros.control.deadline import Deadline
from lossless_ros.control.inference_worker import InferenceWorker
from lossless_ros.control.stream_timing import StreamTiming
from lossless_ros.models.task_policies import TaskPolicies
from lossless_ros.nodes.inference.clock_hint import clock_hint
from lossless_ros.nodes.inference.commands import Commands
from lossless_ros.nodes.inference.observations import ObservationSubscriber
from lossless_ros.text import clean

_LEVELS = {"moving": DiagnosticStatus.OK, "idle": DiagnosticStatus.OK}  # of the guard's states; all others are errors
_WARNED_OF = ("rate", "stamps")  # kinds of stop whose reasons are warnings too, which are newer
_SILENT_S = 2.0  # warn of a topic without messages, or an active node without commands, for this long


class LatencyWindow:
    """The latest durations [ms] and their percentiles; thread-safe."""

    def __init__(self, size: int = 1200) -> None:
        self._values: deque[float] = deque(maxlen=size)
        self._lock = threading.Lock()

    def add(self, milliseconds: float) -> None:
        with self._lock:
            self._values.append(milliseconds)

    def text(self) -> str:
        """Return p50/p99/max [ms], a dash before the first value."""
        with self._lock:
            values = list(self._values)
        if not values:
            return "-"
        p50, p99 = np.percentile(values, (50, 99))
        return f"{p50:.1f}/{p99:.1f}/{max(values):.1f}"


@dataclass(frozen=True)
class Latencies:
    """The latencies that are reported."""

    camera_to_command: LatencyWindow = field(default_factory=LatencyWindow)
    frame_to_command: LatencyWindow = field(default_factory=LatencyWindow)
    inference: LatencyWindow = field(default_factory=LatencyWindow)


@dataclass(frozen=True)
class StatusSources:
    """The parts of the inference node whose state is reported."""

    policies: TaskPolicies
    observations: ObservationSubscriber
    commands: Commands
    worker: InferenceWorker
    deadline: Deadline
    latencies: Latencies
    limits: str  # in force


class StatusReporter:
    """Publishes one status per second and logs its warnings."""

    def __init__(self, node: Node, robot: str, dry_run: bool, sources: StatusSources) -> None:
        self.active_since: float | None = None  # time.monotonic() [s]; None while inactive
        self._node, self._robot, self._dry_run, self._sources = node, robot, dry_run, sources
        self._previous_frames = 0
        self._is_clock_reported = False
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # A steady clock: the timer must also fire when the node's clock stands still or jumps.
        self._timer = node.create_timer(1.0, self.report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def report(self) -> None:
        """Publish the status."""
        warning = "; ".join(self._warnings())
        if warning:
            self._node.get_logger().warning(clean(warning), throttle_duration_sec=5.0)
        active, guard = self.active_since is not None, self._sources.commands.guard
        level = _LEVELS.get(guard.state, DiagnosticStatus.ERROR) if active else DiagnosticStatus.WARN
        state = guard.state if active else "inactive"
        message = f"{state}: {guard.reason}" if guard.state in ("stopped", "latched") else state
        if warning and guard.kind in _WARNED_OF:
            message = state
        for text in filter(None, [warning, self._clock_warning()]):
            level, message = max(level, DiagnosticStatus.WARN), f"{message}; {text}"
        status = DiagnosticStatus(
            level=level,
            name=self._node.get_fully_qualified_name().lstrip("/"),
            message=clean(message),
            hardware_id=self._robot,
            values=[KeyValue(key=key, value=clean(str(value))) for key, value in self._values().items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)

    def destroy(self) -> None:
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)

    def _clock_warning(self) -> str | None:
        """Return what is wrong with the clock's speed; log it once, because a slow simulator is slow all the time."""
        fault = self._sources.commands.clock_speed_fault()
        if fault and not self._is_clock_reported:
            self._node.get_logger().warning(fault)
        self._is_clock_reported = fault is not None
        return fault

    def _warnings(self) -> Iterator[str]:
        """Yield what needs attention, the most important first."""
        observations, commands = self._sources.observations, self._sources.commands
        missing = ", ".join(map(observations.topic, observations.refresh_subscriptions()))
        silent, wrong = observations.silent_topics(_SILENT_S), observations.type_faults()
        if commands.guard.state != "moving" and (hint := clock_hint(self._node)):
            yield hint
        if wrong:
            yield wrong
        elif missing:
            yield f"no publisher on {missing}"
        elif silent:
            yield f"no messages on {silent}, although published; check message type and QoS"
        timing = observations.timing_warnings()
        yield from timing
        if competing := commands.competing_publisher():
            yield competing
        since = self.active_since
        if since is None or time.monotonic() - since <= _SILENT_S:
            return
        if unheard := commands.missing_subscriber():
            yield unheard
        if commands.guard.state == "moving" or wrong or missing or silent:
            return
        if fault := observations.fault():
            yield fault
        elif not observations.frames and not timing:
            yield f"streams cannot be synchronized: {observations.timing_text()}"

    def _values(self) -> dict[str, Any]:
        """Return the status as keys and values."""
        sources, observations, guard = self._sources, self._sources.observations, self._sources.commands.guard
        policy, latencies = sources.policies.active, sources.latencies
        frames, self._previous_frames = observations.frames - self._previous_frames, observations.frames
        values: dict[str, Any] = {
            "task": sources.policies.task,
            "tasks": ", ".join(sources.policies.tasks),
            "guard": guard.state,
            "bundle": policy.bundle_hash,
            "device": policy.device,
            "runtime": policy.runtime,
            "precision": policy.precision,
            "dry_run": self._dry_run,
            "limits": sources.limits,
            "frames per second": frames,
            "frames skipped": sources.worker.skipped,
            "commands": sources.commands.sent,
            "camera to command p50/p99/max [ms]": latencies.camera_to_command.text(),
            "frame to command p50/p99/max [ms]": latencies.frame_to_command.text(),
            "inference p50/p99/max [ms]": latencies.inference.text(),
            "clock speed": "-" if (speed := sources.commands.clock_speed()) is None else f"{speed:.2f}",
            "missed deadlines": sources.deadline.missed,
            "stops": sum(guard.stops.values()),
            "stops by kind": ", ".join(f"{kind} {n}" for kind, n in list(guard.stops.items())) or "none",
            "last stop": guard.reason or "none",
        }
        for stream in observations.contract.streams:
            age = observations.age(stream)
            values[f"{stream} rate [Hz]"] = f"{observations.rate(stream):.1f}"
            values[f"{stream} age [s]"] = "-" if age is None else f"{age:.3f}"
            values |= {f"{stream} {key}": text for key, text in _timing(observations.timing, stream).items()}
            faults = [observations.faults.get(stream), observations.timing.stamp_fault(stream)]
            values[f"{stream} fault"] = next(filter(None, faults), "none")
            values[f"{stream} rejected"] = observations.rejected[stream]
            values[f"{stream} out of order"] = observations.aligner.ignored[stream]
            values[f"{stream} missing in frames"] = observations.aligner.gaps[stream]
        return values


def _timing(timing: StreamTiming, stream: str) -> dict[str, str]:
    """Return rate and offset of a stream's stamps, a dash before they are known."""
    rate, offset = timing.rate(stream), timing.offset(stream)
    return {
        "stamp rate [Hz]": f"{rate:.1f}" if rate else "-",
        "offset [s]": "-" if offset is None else f"{offset:.3f}",
    }
