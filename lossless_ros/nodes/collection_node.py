"""Collection of episodes in simulation as a ROS 2 node: `lossless collect` for launch files."""

import sys
import threading
from pathlib import Path

from rclpy.node import Node

from lossless_ros.errors import LosslessError
from lossless_ros.nodes.app.parameters import Parameter, declare, read
from lossless_ros.nodes.app.process import run
from lossless_ros.simulation.collect import collect
from lossless_ros.simulation.env import simulator_errors
from lossless_ros.simulation.episode import MAX_STEPS
from lossless_ros.simulation.expert_names import EXPERTS

PARAMETERS = (
    Parameter("task", "rgb_stacking/triplet1", "Task, suite/name."),
    Parameter("domain", "randomized", "How the world looks and behaves: a name from config/domains or a path."),
    Parameter("expert", "scripted", f"Who drives: {EXPERTS}."),
    Parameter("expert_noise", 0.0, "Noise on what the expert's arm does, 0 to 1 of the action limits."),
    Parameter("contract", "rgb_stacking", "Contract, a name from config/contracts or a path."),
    Parameter("episodes", 1, "Number of episodes."),
    Parameter("max_steps", MAX_STEPS, "Longest episode, in control periods."),
    Parameter("seed", 0, "Seed of the first episode; each next one has the next seed."),
    Parameter("out", "", "Folder for the episodes, one rosbag2 folder each; those that are there are kept."),
    Parameter("workers", 1, "Number of processes."),
)


class CollectionNode(Node):
    """Collects, says so for every episode, and ends."""

    def __init__(self) -> None:
        super().__init__("collection_node")
        declare(self, PARAMETERS)

    @property
    def node(self) -> Node:
        return self

    def start(self, done: threading.Event) -> None:
        if not self.get_parameter("out").value:
            raise LosslessError("parameter out is empty; give the folder for the episodes: -p out:=FOLDER")

    def main_loop(self, done: threading.Event) -> int:
        parameters = read(self, PARAMETERS)
        out = Path(parameters.pop("out"))
        with simulator_errors():
            episodes = collect(**parameters, out=out, on_progress=lambda info: self._tell(info, done))
        successes = sum(info["success"] for info in episodes)
        self.get_logger().info(f"{len(episodes)} episodes in {out}, {successes} successful")
        return 0

    def stop(self) -> None:
        """Nothing to do: whole episodes stay, half ones are never at their final place."""

    def _tell(self, info: dict, done: threading.Event) -> None:
        verdict = f"{'success' if info['success'] else 'no success'} after {info['steps']} steps"
        if "unstable" in info:
            verdict = f"not recorded: {info['unstable']}"
        self.get_logger().info(f"seed {info['seed']}: {verdict}")
        if done.is_set():
            raise LosslessError("interrupted; start it again to go on with the next episode")


def main(args: list[str] | None = None) -> int:
    """Entry point of `collection_node`."""
    return run(CollectionNode, args)


if __name__ == "__main__":
    sys.exit(main())
