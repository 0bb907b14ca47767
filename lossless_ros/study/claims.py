"""Claims of processes that share a folder: a part of the work is done by one of them."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


class ClaimedError(Exception):
    """Another process works on this part."""


@contextlib.contextmanager
def claim(path: Path) -> Iterator[None]:
    """Hold the claim of the file `path` in this block; the file is made and stays.

    The system releases the claim of a process that ends, however it ends.

    Raises:
        ClaimedError: another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:  # a record lock, which processes that this one starts do not inherit
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ClaimedError(path) from None
        yield
