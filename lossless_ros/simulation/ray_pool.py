"""Episodes over the machines of a Ray cluster: the same worker objects as in `process_pool`."""

import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from lossless_ros.errors import LosslessError

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_on_ray(
    make_worker: Callable[[], Callable[[Item], Result]], items: Iterable[Item], address: str
) -> Iterator[Result]:
    """Yield `worker(item)` for every item, as finished, with one worker per core of the cluster.

    Every machine of the cluster needs this package in the same version.

    Args:
        make_worker: called once in each process.
        items: what the workers get, one at a time.
        address: `ray` for the cluster that runs on this machine or that RAY_ADDRESS names, or a new one on this
            machine if there is none; `ray://HOST:PORT` for the client server of a cluster elsewhere.

    Raises:
        LosslessError: Ray is not installed, the cluster cannot be reached, or a worker raised it or died.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # the first error is reported, in one line
    try:
        import ray
        from ray.util import ActorPool
    except ImportError:
        raise LosslessError(
            f"--workers {address} needs Ray, which is not installed; install it (pip install ray) or give a number"
        ) from None

    class Actor:
        def __init__(self) -> None:
            self._worker = make_worker()

        def work(self, item: Item) -> Result:
            return self._worker(item)

    todo = list(items)
    owns_connection = not ray.is_initialized()
    if owns_connection:
        connect(address)
    try:
        count = max(1, min(len(todo), int(ray.cluster_resources().get("CPU", 1))))
        actors = [ray.remote(Actor).options(num_cpus=1).remote() for _ in range(count)]
        yield from ActorPool(actors).map_unordered(_submit, todo)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:200]
        raise LosslessError(
            f"a Ray worker was lost ({reason}); finished episodes are kept, run the same command to continue"
        ) from None
    finally:
        if owns_connection:
            ray.shutdown()


def _submit(actor: Any, item: Any) -> Any:
    return actor.work.remote(item)


def connect(address: str) -> None:
    """Join the cluster, or start one on this machine.

    Raises:
        LosslessError: the cluster cannot be reached.
    """
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
    """Check the address quickly: Ray itself would retry for a minute and print many lines."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5.0).close()
    except (OSError, ValueError) as error:
        raise LosslessError(f"no Ray cluster at {address}: {error}; expected ray://HOST:PORT") from None
