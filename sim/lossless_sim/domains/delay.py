"""Delays: what is observed or commanded now takes effect some control periods later."""

from collections import deque
from typing import Generic, TypeVar

import numpy as np

Item = TypeVar("Item")


class DelayBuffer(Generic[Item]):
    """A fixed delay of whole periods; until enough items are in, the first one is repeated."""

    def __init__(self, periods: int) -> None:
        self._items: deque[Item] = deque(maxlen=periods + 1)

    def __call__(self, item: Item) -> Item:
        """Append the newest item and return the delayed one."""
        self._items.append(item)
        return self._items[0]


class JitteredDelay(Generic[Item]):
    """A delay of any mean, whole periods or not; until enough items are in, the first one is repeated.

    With a delay of 1.3 periods, 70 % of the items arrive one period late and 30 % two, at random. Items never arrive
    out of order. The mean is the requested delay, and arrivals jitter as on a network.
    """

    def __init__(self, periods: float, rng: np.random.Generator) -> None:
        self._whole, self._fraction = divmod(round(periods, 6), 1.0)
        self._rng = rng
        self._items: deque[Item] = deque(maxlen=int(self._whole) + 2)
        self._delay = 0

    def __call__(self, item: Item) -> Item:
        """Append the newest item and return the delayed one."""
        self._items.append(item)
        wanted = int(self._whole) + int(self._fraction > 0 and self._rng.random() < self._fraction)
        self._delay = min(wanted, self._delay + 1, len(self._items) - 1)
        return self._items[-1 - self._delay]
