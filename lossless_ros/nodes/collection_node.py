"""Collection of simulated episodes as a ROS 2 node: `lossless collect` for launch files."""

import math
import threading
from pathlib import Path

from rclpy.node import Node

from lossless_ros import defaults
from lossless_ros.defaults import EXPERTS_HELP
from lossless_ros.episodes.image_formats import DEFAULT_FORMAT, IMAGE_FORMATS
from lossless_ros.nodes.app.parameters import NodeParameter, declare, print_help, read, require
from lossless_ros.nodes.app.process import end_if, leave, run
from lossless_ros.signals import Interrupted
from lossless_ros.simulation.collect import CollectConfig, collect

_OF_THE_SUITE = "that of the task's suite"
PARAMETERS = (
    NodeParameter("task", "rgb_stacking/triplet1", "Task, suite/name."),
    NodeParameter(
        "domain",
        defaults.AUTO,
        f"Domain of the simulation: a name from config/domains or a path; auto: {_OF_THE_SUITE}.",
    ),
    NodeParameter("expert", defaults.AUTO, f"Expert that controls the robot: {EXPERTS_HELP}; auto: {_OF_THE_SUITE}."),
    NodeParameter(
        "expert_noise",
        -1.0,
        f"Noise on the executed arm velocities; negative: {_OF_THE_SUITE}.",
        unit="fraction of the action limits",
        range=(-1, 1),
    ),
    NodeParameter(
        "gripper_noise",
        -1.0,
        f"How often the executed gripper command is inverted for 0.5 to 1.5 s; negative: {_OF_THE_SUITE}.",
        unit="1/s",
        range=(-1, 1),
    ),
    NodeParameter(
        "contract", defaults.AUTO, f"Contract: a name from config/contracts or a path; auto: {_OF_THE_SUITE}."
    ),
    NodeParameter("episodes", 1, "Number of episodes.", range=(1, math.inf)),
    NodeParameter(
        "max_steps",
        0,
        f"Maximum length of an episode; 0: {_OF_THE_SUITE}.",
        unit="control periods",
        range=(0, math.inf),
    ),
    NodeParameter(
        "image_format", DEFAULT_FORMAT, "Format of the images in the bags; png has no loss.", choices=IMAGE_FORMATS
    ),
    NodeParameter("seed", 0, "Seed of the first episode; it increases by one with every episode.", range=(0, math.inf)),
    NodeParameter(
        "out",
        "",
        "Folder for the episodes, one rosbag2 folder each; episodes that are already there are kept.",
        required=True,
    ),
    NodeParameter("workers", 1, "Number of processes.", range=(1, math.inf)),
)
_ABOUT = "Collect an expert's episodes in simulation, as rosbag2 folders. Begin with -p out:=FOLDER."


class CollectionNode(Node):
    """Collects episodes, logs each of them, and exits."""

    def __init__(self) -> None:
        super().__init__("collection_node")
        declare(self, PARAMETERS)

    @property
    def node(self) -> Node:
        return self

    def start(self, done: threading.Event) -> None:
        require(self, PARAMETERS)

    def main_loop(self, done: threading.Event) -> int:
        parameters = read(self, PARAMETERS)
        for name in ("expert_noise", "gripper_noise"):
            parameters[name] = parameters[name] if parameters[name] >= 0 else None
        config = CollectConfig(**{**parameters, "out": Path(parameters["out"])})
        try:
            episodes = collect(config, on_progress=self._log, on_steps=lambda _: end_if(done))
        except Interrupted:
            self.get_logger().info(f"interrupted; finished episodes are kept in {config.out}, start again to go on")
            return 0
        successes = sum(info["success"] for info in episodes)
        self.get_logger().info(f"{len(episodes)} episodes in {config.out}, {successes} successful")
        return 0

    def on_callback_error(self, reason: str) -> None:
        """Do nothing: no callback takes part in the work."""

    def stop(self) -> None:
        """Do nothing: complete episodes stay, incomplete ones never reach their final folder."""

    def _log(self, info: dict) -> None:
        result = f"{'success' if info['success'] else 'no success'} after {info['steps']} steps"
        if "unstable" in info:
            result = f"not recorded: {info['unstable']}"
        self.get_logger().info(f"seed {info['seed']}: {result}")


def main(args: list[str] | None = None) -> int:
    """Entry point of `collection_node`."""
    if print_help("collection_node", _ABOUT, PARAMETERS, args):
        return 0
    return run(CollectionNode, args)


if __name__ == "__main__":
    leave(main())
