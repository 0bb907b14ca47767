"""The same function on many items over the machines of a Ray cluster."""

import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from lossless_ros.errors import LosslessError

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_on_ray(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    address: str,
    setup: Callable[..., None],
    setup_args: tuple[Any, ...],
) -> Iterator[Result]:
    """`function(item)` for every item, in one process per core of the cluster that each ran `setup(*setup_args)` once.

    Results come as they are finished. Every machine of the cluster needs this package, in the same version.

    Args:
        address: `ray` for the cluster that runs on this machine or that RAY_ADDRESS names, and a new one on this
            machine if there is none; `ray://HOST:PORT` for the client server of a cluster elsewhere.

    Raises:
        LosslessError: Ray is not installed, no such cluster, or a worker raised it or died.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # the first one is told, in one line
    try:
        import ray
        from ray.util import ActorPool
    except ImportError:
        raise LosslessError(
            f"--workers {address} needs Ray, which is not installed; install it (pip install ray) or give a number"
        ) from None

    class Worker:
        def __init__(self) -> None:
            setup(*setup_args)

        def work(self, item: Item) -> Result:
            return function(item)

    todo = list(items)
    ours = not ray.is_initialized()
    if ours:
        connect(address)
    try:
        count = max(1, min(len(todo), int(ray.cluster_resources().get("CPU", 1))))
        actors = [ray.remote(Worker).options(num_cpus=1).remote() for _ in range(count)]
        yield from ActorPool(actors).map_unordered(lambda actor, item: actor.work.remote(item), todo)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:200]
        raise LosslessError(
            f"a Ray worker was lost ({reason}); whole episodes are kept, run the same command to go on"
        ) from None
    finally:
        if ours:
            ray.shutdown()


def connect(address: str) -> None:
    """Join the cluster, or start one on this machine; LosslessError if it cannot be reached."""
    import ray

    where = os.environ.get("RAY_ADDRESS") if address == "ray" else address
    if where and where not in ("auto", "local"):
        _check_reachable(where)
    try:
        ray.init(
            address=where or None,
            include_dashboard=None if where else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise LosslessError(f"no Ray cluster at {where or 'this machine'}: {reason}") from None


def _check_reachable(address: str) -> None:
    """Ray itself would try for a minute, and say it in many lines."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5.0).close()
    except (OSError, ValueError) as error:
        raise LosslessError(f"no Ray cluster at {address}: {error}; expected ray://HOST:PORT") from None
