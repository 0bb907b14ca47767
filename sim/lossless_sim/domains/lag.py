"""Delays: what is seen or commanded now takes effect later."""

from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Lag(Generic[Item]):
    """A queue that gives back what went in some periods ago; at first, the first item."""

    def __init__(self, periods: int) -> None:
        self._items: deque[Item] = deque(maxlen=periods + 1)

    def __call__(self, item: Item) -> Item:
        """Put the newest item in, get the delayed one."""
        self._items.append(item)
        return self._items[0]
