"""Let the first three attempts to publish a stop fail."""

from lossless_ros.nodes.inference.command_publishers import TwistPublisher

stop = TwistPublisher.stop
failed: list[int] = []


def fail_first(self: TwistPublisher, stamp: int) -> None:
    if len(failed) < 3:
        failed.append(stamp)
        raise RuntimeError("Failed to publish")
    stop(self, stamp)


TwistPublisher.stop = fail_first  # type: ignore[method-assign]
