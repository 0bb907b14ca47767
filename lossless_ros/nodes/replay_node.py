"""Replay evaluation of recorded episodes as a ROS 2 node: `lossless replay` for launch files."""

import json
import threading
from pathlib import Path

from rclpy.node import Node

from lossless_ros.files import check_writable
from lossless_ros.models.runtimes.registry import RUNTIMES
from lossless_ros.nodes.app.parameters import NodeParameter, declare, print_help, read, require
from lossless_ros.nodes.app.process import end_if, leave, run
from lossless_ros.signals import Interrupted

PARAMETERS = (
    NodeParameter("bundle", "", "Bundle file.", required=True),
    NodeParameter("bag", "", "A rosbag2 folder, or a folder of them.", required=True),
    NodeParameter("robot", "sim", "Robot that recorded the bag: a name from config/robots or a path."),
    NodeParameter("device", "auto", "Device of the policy: auto (CUDA if available), cpu, cuda or cuda:N."),
    NodeParameter("runtime", "torch", "Inference runtime; torch is the reference.", choices=RUNTIMES),
    NodeParameter("result", "", "JSON file for the result; empty: no file."),
)
_ABOUT = "Replay recorded episodes through a policy. Begin with -p bundle:=triplet5 -p bag:=FOLDER."


class ReplayNode(Node):
    """Replays episodes, logs each of them, and exits."""

    def __init__(self) -> None:
        super().__init__("replay_node")
        declare(self, PARAMETERS)

    @property
    def node(self) -> Node:
        return self

    def start(self, done: threading.Event) -> None:
        require(self, PARAMETERS)
        if result := self.get_parameter("result").value:
            check_writable(Path(result))

    def main_loop(self, done: threading.Event) -> int:
        from lossless_ros.evaluation.replay import ReplayConfig, replay
        from lossless_ros.progress import write_json

        parameters = read(self, PARAMETERS)
        config = ReplayConfig(
            bundle=Path(parameters["bundle"]),
            bags=(Path(parameters["bag"]),),
            robot=parameters["robot"],
            device=parameters["device"],
            runtime=parameters["runtime"],
        )
        try:
            result = replay(config, on_progress=self._log, on_frames=lambda *_: end_if(done))
        except Interrupted:
            self.get_logger().info("interrupted; no result was written")
            return 0
        for axis, error in result["action_error"].items():
            self.get_logger().info(f"{axis}: mean absolute error {error['mae']:.4f} {error['unit']}")
        if "gripper_agreement" in result:
            self.get_logger().info(f"gripper agreement {100 * result['gripper_agreement']:.1f} %")
        if parameters["result"]:
            write_json(Path(parameters["result"]), result)
        return 0

    def on_callback_error(self, reason: str) -> None:
        """Do nothing: no callback takes part in the work."""

    def stop(self) -> None:
        """Do nothing: a replay does not move a robot."""

    def _log(self, episode: dict) -> None:
        self.get_logger().info(json.dumps(episode))


def main(args: list[str] | None = None) -> int:
    """Entry point of `replay_node`."""
    if print_help("replay_node", _ABOUT, PARAMETERS, args):
        return 0
    return run(ReplayNode, args)


if __name__ == "__main__":
    leave(main())
