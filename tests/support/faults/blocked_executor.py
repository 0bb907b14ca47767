"""Block the executor in a timer callback once the robot moves."""

import threading

from lossless_ros.nodes.inference.diagnostics import StatusReporter


def report(self: StatusReporter) -> None:
    if self._sources.commands.sent:
        threading.Event().wait()


StatusReporter.report = report  # type: ignore[method-assign]
