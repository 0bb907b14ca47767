"""What /diagnostics says once a second."""

import threading
from collections import deque
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.time import Time


class Latencies:
    """The newest durations [ms] and their percentiles; any thread may add."""

    def __init__(self, size: int = 1200) -> None:
        self._values: deque[float] = deque(maxlen=size)
        self._lock = threading.Lock()

    def add(self, milliseconds: float) -> None:
        with self._lock:
            self._values.append(milliseconds)

    def text(self) -> str:
        """p50/p99/max [ms], a dash before the first one."""
        with self._lock:
            values = list(self._values)
        if not values:
            return "-"
        p50, p99 = np.percentile(values, (50, 99))
        return f"{p50:.1f}/{p99:.1f}/{max(values):.1f}"


def diagnostic_array(
    now: Time, name: str, hardware: str, level: bytes, message: str, values: dict[str, Any]
) -> DiagnosticArray:
    """One status; `level` is one of DiagnosticStatus.OK, WARN, ERROR, STALE."""
    pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
    status = DiagnosticStatus(level=level, name=name, message=message, hardware_id=hardware, values=pairs)
    array = DiagnosticArray(status=[status])
    array.header.stamp = now.to_msg()
    return array
