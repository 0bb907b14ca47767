"""Delays: what is seen or commanded now takes effect later."""

from collections import deque
from typing import Generic, TypeVar

import numpy as np

Item = TypeVar("Item")


class Lag(Generic[Item]):
    """A queue that gives back what went in some periods ago; at first, the first item."""

    def __init__(self, periods: int) -> None:
        self._items: deque[Item] = deque(maxlen=periods + 1)

    def __call__(self, item: Item) -> Item:
        """Put the newest item in, get the delayed one."""
        self._items.append(item)
        return self._items[0]


class UnevenLag(Generic[Item]):
    """A queue that gives back what went in a number of periods ago, whole or not; at first, the first item.

    Of 1.3 periods, seven items of ten come one period late and three come two, at random; none comes after a newer
    one. So the mean is the delay that was asked for, and what arrives jitters as on a network.
    """

    def __init__(self, periods: float, rng: np.random.Generator) -> None:
        self._whole, self._part = divmod(round(periods, 6), 1.0)
        self._rng = rng
        self._items: deque[Item] = deque(maxlen=int(self._whole) + 2)
        self._late = 0

    def __call__(self, item: Item) -> Item:
        """Put the newest item in, get the delayed one."""
        self._items.append(item)
        wanted = int(self._whole) + int(self._part > 0 and self._rng.random() < self._part)
        self._late = min(wanted, self._late + 1, len(self._items) - 1)
        return self._items[-1 - self._late]
