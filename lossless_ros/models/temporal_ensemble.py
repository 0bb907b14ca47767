"""Temporal ensembling of action chunks, after ACT (Zhao et al. 2023, "Learning Fine-Grained Bimanual Manipulation").

The action of a step is the weighted mean of all predictions that were made for it. The weights are exp(-m * i), where
i = 0 is the oldest prediction. ACT has m > 0, so older predictions weigh more. With m < 0 a prediction loses weight
with its age, so that the policy reacts faster to what it sees.
"""

from collections import deque

import numpy as np

from lossless_ros.models.execution import DEFAULT_COEFF


class TemporalEnsemble:
    """Average the action chunks of one policy; a stamp that goes back, or a pause as long as a chunk, starts over."""

    def __init__(self, period_ns: int, coeff: float = DEFAULT_COEFF) -> None:
        """Expect one chunk per control period [ns]; `coeff` is m."""
        self._period, self._coeff = period_ns, coeff
        self._predictions: deque[tuple[int, np.ndarray]] = deque()

    def __call__(self, stamp: int, chunk: np.ndarray) -> np.ndarray:
        """Return the action (A,) float32 for `stamp` [ns], given the chunk (T, A) predicted at that stamp."""
        length = len(chunk)
        if self._predictions and stamp <= self._predictions[-1][0]:
            self._predictions.clear()
        self._predictions.append((stamp, chunk))
        ages = [round((stamp - predicted_at) / self._period) for predicted_at, _ in self._predictions]
        while ages[0] >= length:
            self._predictions.popleft()
            ages.pop(0)
        largest = ages[0] if self._coeff > 0 else 0  # the age with the weight 1, so that no weight overflows
        weights = np.exp(self._coeff * (np.array(ages) - largest))
        actions = np.array([past[age] for age, (_, past) in zip(ages, self._predictions, strict=True)])
        return np.asarray((weights[:, None] * actions).sum(0) / weights.sum(), np.float32)
