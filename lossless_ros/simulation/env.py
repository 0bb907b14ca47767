"""The simulator's mistakes of the user's, told like the others. The robot's own nodes never import the simulator."""

from collections.abc import Iterator
from contextlib import contextmanager

from lossless_ros.errors import LosslessError


@contextmanager
def simulator_errors() -> Iterator[None]:
    """Raises the simulator's SimError as LosslessError, and its absence too."""
    try:
        from lossless_sim.errors import SimError
    except ImportError as error:
        raise LosslessError(f"the simulator is not installed ({error}); install lossless_ros[sim]") from None
    try:
        yield
    except SimError as error:
        raise LosslessError(str(error)) from None
