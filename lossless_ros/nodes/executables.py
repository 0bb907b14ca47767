"""Entry points of the nodes' executables. They take signals from the first moment: imports alone take seconds."""

import os
import signal
from typing import NoReturn


def inference_node() -> NoReturn:
    """Run the inference node."""
    _end_at_once_if_interrupted()
    from lossless_ros.nodes.app.process import leave
    from lossless_ros.nodes.inference_node import main

    leave(main())


def sim_robot_node() -> NoReturn:
    """Run the simulated robot."""
    _end_at_once_if_interrupted()
    from lossless_ros.nodes.app.process import leave
    from lossless_ros.nodes.sim_robot_node import main

    leave(main())


def collection_node() -> NoReturn:
    """Run the collection of episodes."""
    _end_at_once_if_interrupted()
    from lossless_ros.nodes.app.process import leave
    from lossless_ros.nodes.collection_node import main

    leave(main())


def replay_node() -> NoReturn:
    """Run the replay of recordings."""
    _end_at_once_if_interrupted()
    from lossless_ros.nodes.app.process import leave
    from lossless_ros.nodes.replay_node import main

    leave(main())


def _end_at_once_if_interrupted() -> None:
    """End the process on a signal, as long as nothing has begun; `app.process.run` replaces this."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
