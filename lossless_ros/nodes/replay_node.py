"""Replay evaluation of recorded runs as a ROS 2 node: `lossless replay` for launch files."""

import json
import sys
import threading
from pathlib import Path

from rclpy.node import Node

from lossless_ros.errors import LosslessError
from lossless_ros.models.runtimes.registry import RUNTIMES
from lossless_ros.nodes.app.parameters import Parameter, declare, read
from lossless_ros.nodes.app.process import run

PARAMETERS = (
    Parameter("bundle", "", "Bundle file."),
    Parameter("bag", "", "A rosbag2 folder, or a folder of them."),
    Parameter("robot", "sim", "Robot that recorded it: a name from config/robots or a path."),
    Parameter("device", "auto", "Where the policy runs: auto, cpu, cuda."),
    Parameter("runtime", "torch", "What runs the policy; torch is the reference.", RUNTIMES),
    Parameter("result", "", "JSON file for the result; empty: none."),
)


class ReplayNode(Node):
    """Replays, says so for every episode, and ends."""

    def __init__(self) -> None:
        super().__init__("replay_node")
        declare(self, PARAMETERS)

    @property
    def node(self) -> Node:
        return self

    def start(self, done: threading.Event) -> None:
        for name in ("bundle", "bag"):
            if not self.get_parameter(name).value:
                raise LosslessError(f"parameter {name} is empty; give it: -p {name}:=PATH")

    def main_loop(self, done: threading.Event) -> int:
        from lossless_ros.evaluation.replay import replay
        from lossless_ros.progress import write_json

        parameters = read(self, PARAMETERS)
        result = replay(
            Path(parameters["bundle"]),
            [Path(parameters["bag"])],
            robot=parameters["robot"],
            device=parameters["device"],
            runtime=parameters["runtime"],
            on_progress=lambda episode: self._tell(episode, done),
        )
        for axis, error in result["action_error"].items():
            self.get_logger().info(f"{axis}: mean error {error['mae']:.4f} {error['unit']}")
        self.get_logger().info(f"gripper agreement {100 * result['gripper_agreement']:.1f} %")
        if parameters["result"]:
            write_json(Path(parameters["result"]), result)
        return 0

    def stop(self) -> None:
        """Nothing to do: a replay moves nothing."""

    def _tell(self, episode: dict, done: threading.Event) -> None:
        self.get_logger().info(json.dumps(episode))
        if done.is_set():
            raise LosslessError("interrupted")


def main(args: list[str] | None = None) -> int:
    """Entry point of `replay_node`."""
    return run(ReplayNode, args)


if __name__ == "__main__":
    sys.exit(main())
