"""Where a frame has the positions of the axes that an action moves."""

import numpy as np

from lossless_ros.contract import JOINT_STATES, JOINTS, TCP_POSE, Contract
from lossless_ros.observation.frames import Frame


class AxisPositions:
    """Finds the positions of joints, or of the tool center along its axes of translation, in frames of a contract.

    Attributes:
        stream: which has the positions; None if no stream of the contract has them.
    """

    def __init__(self, contract: Contract) -> None:
        axes = [axis.axis for axis in contract.action.axes]
        self._positions = np.zeros(len(axes))  # rotations of the tool have none
        offset = contract.offset(TCP_POSE)
        self.stream: str | None = None if offset is None else TCP_POSE
        indices: dict[str, int] = {}
        if contract.action.space == JOINTS:
            self.stream, indices = JOINT_STATES, contract.joints()
        elif offset is not None:
            indices = {f"linear.{axis}": offset + i for i, axis in enumerate("xyz")}
        self._columns = [i for i, axis in enumerate(axes) if axis in indices]
        self._indices = [indices[axis] for axis in axes if axis in indices]

    def find(self, frame: Frame) -> np.ndarray | None:
        """Return the position of each axis (A,) [m, rad], 0 for rotations of the tool; None without a stream."""
        if self.stream is None:
            return None
        positions = self._positions.copy()
        positions[self._columns] = frame.proprioception[self._indices]
        return positions

    def age(self, frame: Frame, now: int) -> float:
        """Return the time from when the positions were measured until `now` [ns], at least 0 [s]."""
        return 0.0 if self.stream is None else max(1e-9 * (now - frame.stamps[self.stream]), 0.0)
