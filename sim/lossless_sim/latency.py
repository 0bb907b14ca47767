"""Latency of commands: they take effect some control periods and physics steps after they were sent."""

from lossless_sim.control import Command
from lossless_sim.domains.delay import DelayBuffer
from lossless_sim.scene.physics import Physics
from lossless_sim.timing import CONTROL_PERIOD


class CommandLatency:
    """Delays the commands of one episode by `delay` [s], rounded to whole physics steps."""

    def __init__(self, delay: float, physics: Physics) -> None:
        periods, remainder = divmod(delay, CONTROL_PERIOD)
        self._buffer: DelayBuffer[Command] = DelayBuffer(int(periods))
        self._late_substeps = round(remainder / physics.timestep)
        self._substeps = physics.substeps
        self._active: Command | None = None

    def schedule(self, command: Command) -> list[tuple[Command, int]]:
        """Return which commands are active during the next control period, and for how many substeps each.

        The first command of an episode takes effect at once.
        """
        active, due = self._active, self._buffer(command)
        self._active = due
        if active is None or not self._late_substeps:
            return [(due, self._substeps)]
        return [(active, self._late_substeps), (due, self._substeps - self._late_substeps)]
