"""Compiled cells, kept from episode to episode."""

from collections import OrderedDict
from dataclasses import dataclass

import mujoco
import numpy as np

from lossless_sim.control import POSTURE
from lossless_sim.ids import Ids
from lossless_sim.scene.model import build_basket, build_model
from lossless_sim.scene.objects import Triplet
from lossless_sim.scene.physics import Physics
from lossless_sim.start import Dropper

KEPT = 4  # compiled triplets at a time; each is a few megabytes


@dataclass(frozen=True)
class Cell:
    """A compiled triplet: objects (red, green, blue), model, indices, dropper, posture (7,) [rad] for the IK."""

    triplet: Triplet
    model: mujoco.MjModel
    ids: Ids
    dropper: Dropper
    posture: np.ndarray


class CellCache:
    """Cells of one physics by triplet, the latest few."""

    def __init__(self, physics: Physics) -> None:
        self._physics = physics
        self._cells: OrderedDict[Triplet, Cell] = OrderedDict()

    def get(self, triplet: Triplet) -> Cell:
        """The compiled cell of a triplet."""
        if triplet not in self._cells:
            model = build_model(triplet, self._physics)
            dropper = Dropper(build_basket(model, triplet, self._physics))
            self._cells[triplet] = Cell(triplet, model, Ids.of(model), dropper, POSTURE)
            while len(self._cells) > KEPT:
                self._cells.popitem(last=False)
        self._cells.move_to_end(triplet)
        return self._cells[triplet]
