"""RGB objects: test triplets, training and held-out sets, meshes."""

import json
from functools import cache

import numpy as np

from lossless_sim.errors import SimError, unknown
from lossless_sim.scene import stl
from lossless_sim.scene.cache import scene_folder

TRIPLETS = {  # (red, green, blue): Lee et al. 2021, arXiv 2110.06192
    "triplet1": ("r3", "s0", "b2"),
    "triplet2": ("r5", "g2", "b3"),
    "triplet3": ("r6", "g3", "b5"),
    "triplet4": ("s0", "g5", "b6"),
    "triplet5": ("r2", "g6", "s0"),
}
RANDOM_SETS = ("train", "heldout")  # objects are sampled per episode
Triplet = tuple[str, str, str]


@cache
def object_sets() -> dict[str, tuple[str, ...]]:
    """Return the names of the objects by set: test (13), train and heldout."""
    sets = json.loads((scene_folder() / "objects" / "sets.json").read_text())
    return {name: tuple(members) for name, members in sets.items()}


def check_triplet(name: str) -> None:
    """Raise SimError unless `name` is a test triplet, `train`, `heldout`, or three objects such as `r3-s0-b2`."""
    if name in TRIPLETS or name in RANDOM_SETS:
        return
    parts = name.split("-")
    if len(parts) != 3:
        raise unknown("triplet", name, [*TRIPLETS, *RANDOM_SETS, "or three objects such as r3-s0-b2"])
    known = {member for members in object_sets().values() for member in members}
    for part in parts:
        if part not in known:
            raise unknown("object", part, sorted(known))


def sample_triplet(name: str, rng: np.random.Generator) -> Triplet:
    """Return the objects (red, green, blue) of a triplet; `train` and `heldout` sample three different ones."""
    check_triplet(name)
    if name in TRIPLETS:
        return TRIPLETS[name]
    if name in RANDOM_SETS:
        red, green, blue = rng.choice(object_sets()[name], 3, replace=False)
        return str(red), str(green), str(blue)
    red, green, blue = name.split("-")
    return red, green, blue


@cache
def object_mesh(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Load vertices (V, 3) [m] and faces (F, 3) of an object in the frame of its pose."""
    path = scene_folder() / "objects" / f"{name}.stl"
    if not path.is_file():
        raise SimError(f"no mesh of object '{name}' in {path.parent}")
    return stl.read(path.read_bytes())
