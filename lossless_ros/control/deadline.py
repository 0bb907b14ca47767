"""The deadline of inference: one late result may be used, two in a row are a fault."""

_MAX_LATE_IN_A_ROW = 2


class Deadline:
    """Judges how long each inference took against a limit [ns]."""

    def __init__(self, limit: int) -> None:
        self.missed = 0  # all late inferences so far
        self._limit = limit
        self._late_in_a_row = 0

    def fault(self, duration: int) -> str | None:
        """Return why the result of an inference that took `duration` [ns] must not be used, None if it may be."""
        late = duration > self._limit
        self._late_in_a_row = self._late_in_a_row + 1 if late else 0
        self.missed += late
        if self._late_in_a_row < _MAX_LATE_IN_A_ROW:
            return None
        return f"inference took {duration / 1e6:.0f} ms, the deadline is {self._limit / 1e6:g} ms; twice in a row"
