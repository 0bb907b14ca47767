"""Which of the predicted actions a policy executes; stored in the bundle. No torch here."""

import math
from dataclasses import dataclass

NEWEST, ENSEMBLE, OPEN_LOOP = "newest", "ensemble", "open_loop"
DEFAULT_COEFF = -0.1  # not a value of ACT: newer predictions weigh more
EXECUTIONS = "newest, ensemble:M (a number) or open_loop:N (1 to chunk_size)"


@dataclass(frozen=True)
class Execution:
    """How the overlapping action chunks of a policy become one action per control period.

    As text: `newest`, `ensemble:M` or `open_loop:N`.

    Attributes:
        mode: newest: the first action of the newest chunk. ensemble: the weighted mean of all actions that were
            predicted for this instant. open_loop: all of the first `n_action_steps` actions of a chunk, then those of
            the next one.
        temporal_ensemble_coeff: M of mode ensemble. The weights are exp(-M * i), where i = 0 is the oldest prediction,
            as in ACT: above 0 older predictions weigh more, below 0 newer ones do, 0 is the plain mean.
        n_action_steps: N of mode open_loop.
    """

    mode: str = ENSEMBLE
    temporal_ensemble_coeff: float = DEFAULT_COEFF
    n_action_steps: int = 1

    @classmethod
    def parse(cls, text: str, chunk_size: int) -> "Execution":
        """Return the execution that `text` names, for chunks of `chunk_size` actions.

        Raises:
            ValueError: no such execution, or a number that is not allowed.
        """
        mode, has_value, value = str(text).partition(":")
        try:
            if mode == NEWEST and not has_value:
                return cls(NEWEST)
            if mode == ENSEMBLE and math.isfinite(coeff := float(value) if has_value else DEFAULT_COEFF):
                return cls(ENSEMBLE, temporal_ensemble_coeff=coeff)
            if mode == OPEN_LOOP and 1 <= (steps := int(value)) <= chunk_size:
                return cls(OPEN_LOOP, n_action_steps=steps)
        except ValueError:
            pass
        of = f" with chunk_size {chunk_size}" if mode == OPEN_LOOP else ""
        raise ValueError(f"execution is {text}{of}, expected {EXECUTIONS}")

    def __str__(self) -> str:
        if self.mode == ENSEMBLE:
            return f"{ENSEMBLE}:{self.temporal_ensemble_coeff:.12g}"
        return f"{OPEN_LOOP}:{self.n_action_steps}" if self.mode == OPEN_LOOP else self.mode
