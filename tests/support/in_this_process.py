"""Worker objects in the test's own process: to start processes takes longer than what small jobs do in them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any


def run_in_this_process(
    make_worker: Callable[[], Any], items: Iterable[Any], workers: int, on_steps: object = None
) -> Iterator[Any]:
    """Do what `run_parallel` does, without the start of processes."""
    assert workers >= 1
    return map(make_worker(), items)
