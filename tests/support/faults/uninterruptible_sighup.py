"""Let SIGHUP interrupt no system call, as some libraries do with a policy on a GPU."""

import ctypes
import signal
from typing import Any

import lossless_ros.nodes.inference_node as module

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where these tests run under nohup


class PolicyRunner(module.PolicyRunner):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        ctypes.CDLL(None).siginterrupt(signal.SIGHUP, 0)


module.PolicyRunner = PolicyRunner  # type: ignore[misc]
