"""Compiled cells, cached across episodes."""

from collections import OrderedDict
from dataclasses import dataclass

import mujoco

from lossless_sim.initial_state import ObjectPlacer
from lossless_sim.model_indices import ModelIndices
from lossless_sim.scene.model import build_basket, build_model
from lossless_sim.scene.objects import Triplet
from lossless_sim.scene.physics import Physics

CACHE_SIZE = 4  # compiled triplets; each takes a few megabytes


@dataclass(frozen=True)
class Cell:
    """A compiled cell with the objects (red, green, blue) of one triplet."""

    triplet: Triplet
    model: mujoco.MjModel
    indices: ModelIndices
    placer: ObjectPlacer


class CellCache:
    """The most recently used cells with the same physics, by triplet."""

    def __init__(self, physics: Physics) -> None:
        self._physics = physics
        self._cells: OrderedDict[Triplet, Cell] = OrderedDict()

    def get(self, triplet: Triplet) -> Cell:
        """Return the cell of a triplet; compile it if it is not cached."""
        if triplet not in self._cells:
            model = build_model(triplet, self._physics)
            placer = ObjectPlacer(build_basket(model, triplet, self._physics))
            self._cells[triplet] = Cell(triplet, model, ModelIndices.of(model), placer)
            while len(self._cells) > CACHE_SIZE:
                self._cells.popitem(last=False)
        self._cells.move_to_end(triplet)
        return self._cells[triplet]
