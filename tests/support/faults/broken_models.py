"""Break the policy of task 3 (raises), 4 (slow) and 5 (jumps between the limits)."""

import time

import numpy as np

import lossless_ros.models.policy as module
from lossless_ros.observation.frames import Frame

act = module.Policy.act
rng = np.random.default_rng(0)


def act_badly(self: module.Policy, frame: Frame) -> np.ndarray:
    if frame.stamp and self.task.endswith("3"):
        raise RuntimeError("out of memory")
    if frame.stamp and self.task.endswith("4"):
        time.sleep(0.6)
    if frame.stamp and self.task.endswith("5"):
        return (rng.choice([-1, 0, 1], 5) * self.contract.action.limits).astype(np.float32)
    return act(self, frame)


module.Policy.act = act_badly  # type: ignore[method-assign]
