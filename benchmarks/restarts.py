"""Does the inference node grow when it is configured again and again?

    python -m benchmarks.restarts --rounds 200 --json restarts.json

Each round configures, activates, deactivates and cleans up the node, in this process. From round `--settled` on, its
resident set has to grow by less than 20 MB and its number of threads not at all.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import rclpy

from lossless_ros.files import write_atomically
from lossless_ros.nodes.inference_node import InferenceNode
from lossless_ros.ros_environment import stay_on_this_machine, use_profile

PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
MAX_GROWTH_MB = 20.0


def restarts(bundles: str, runtime: str, rounds: int, settled: int) -> dict[str, Any]:
    """Run the rounds.

    Returns:
        rounds, memory_mb and threads after each round, growth_mb and more_threads since round `settled`, and ok.
    """
    stay_on_this_machine(os.environ, 101)
    use_profile()
    parameters = ("-p", f"bundles:={bundles}", "-p", f"runtime:={runtime}", "-p", "device:=cpu")
    rclpy.init(args=["--ros-args", *parameters])
    node = InferenceNode()
    memory, threads = [], []
    for _ in range(rounds):
        for transition in ("configure", "activate", "deactivate", "cleanup"):
            getattr(node, f"trigger_{transition}")()
        memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MB)
        threads.append(len(os.listdir("/proc/self/task")))
    node.destroy_node()
    rclpy.shutdown()
    first = min(settled, rounds) - 1
    growth, more = memory[-1] - memory[first], threads[-1] - threads[first]
    return {
        "rounds": rounds,
        "memory_mb": memory,
        "threads": threads,
        "growth_mb": growth,
        "more_threads": more,
        "ok": growth < MAX_GROWTH_MB and more <= 0,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", default="triplet5")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--settled", type=int, default=20, help="the round with which the last one is compared")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    options = parser.parse_args()
    result = restarts(options.bundles, options.runtime, options.rounds, options.settled)
    print(f"{options.rounds} rounds: {result['growth_mb']:+.1f} MB and {result['more_threads']:+d} threads")
    if options.json:
        write_atomically(options.json, (json.dumps(result, indent=1) + "\n").encode())
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
