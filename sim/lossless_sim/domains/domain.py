"""A domain: what may differ from the nominal world, drawn once per episode."""

import copy
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from lossless_sim.paths import find_config

Draw = dict[str, Any]


@dataclass(frozen=True)
class Domain:
    name: str

    def draw(self, model: mujoco.MjModel, rng: np.random.Generator) -> Draw:
        return {"domain": self.name}

    def apply(self, model: mujoco.MjModel, draw: Draw) -> mujoco.MjModel:
        return copy.copy(model)

    def shadows(self, draw: Draw) -> bool:
        return False

    def spoil(self, image: np.ndarray, draw: Draw, rng: np.random.Generator) -> np.ndarray:
        return image


def load_domain(name: str) -> Domain:
    return Domain(name)
