"""Temporal ensembling (Zhao et al. 2023): what is done now is the mean of all that was predicted for this instant."""

from collections import deque

import numpy as np

DECAY = 0.1  # weight of a prediction falls by this part per period of its age; ours


class TemporalEnsemble:
    """Remembers the last predictions; a stamp that goes back, or a long pause, begins anew."""

    def __init__(self, period_ns: int) -> None:
        self._period = period_ns
        self._predictions: deque[tuple[int, np.ndarray]] = deque()

    def __call__(self, stamp: int, predicted: np.ndarray) -> np.ndarray:
        """The action (A,) for `stamp` [ns], given what is predicted now (T, A) for this instant and the next ones."""
        length = len(predicted)
        if self._predictions and stamp <= self._predictions[-1][0]:
            self._predictions.clear()
        self._predictions.append((stamp, predicted))
        ages = [round((stamp - made) / self._period) for made, _ in self._predictions]
        while ages[0] >= length:
            self._predictions.popleft()
            ages.pop(0)
        weights = np.exp(-DECAY * np.array(ages))
        now = np.array([actions[age] for age, (_, actions) in zip(ages, self._predictions, strict=True)])
        return np.asarray((weights[:, None] * now).sum(0) / weights.sum(), np.float32)
