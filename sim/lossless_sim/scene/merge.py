"""Merge visual geoms: to a software renderer, a geom costs as much as a few hundred triangles."""

from collections import defaultdict
from pathlib import Path

import mujoco
import numpy as np

from lossless_sim.scene import stl

_VISIBLE_GROUPS = 3  # MuJoCo draws geom groups 0, 1 and 2
_BOX_FACES = np.array(
    [
        (0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4),
        (2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5),
    ]
)  # fmt: skip


def merge_visuals(spec: mujoco.MjSpec, model: mujoco.MjModel, folder: Path) -> None:
    """Replace visual meshes and boxes of the same color that are welded together by one mesh each.

    Args:
        spec: changed in place; its new meshes are written into `folder`.
        model: compiled from `spec` as it is.
    """
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    groups: dict[tuple[int, int, bytes], list[int]] = defaultdict(list)
    for index in range(model.ngeom):
        if _mergeable(model, index):
            root = int(model.body_weldid[model.geom_bodyid[index]])
            groups[root, int(model.geom_matid[index]), model.geom_rgba[index].tobytes()].append(index)
    for number, members in enumerate(members for members in groups.values() if len(members) > 1):
        body = model.body(model.geom_bodyid[members[0]])
        name = f"merged_{number}"
        rotation, position = data.xmat[body.id].reshape(3, 3), data.xpos[body.id]
        vertices, faces = _union(model, data, members)
        stl.write(folder / f"{name}.stl", (vertices - position) @ rotation, faces)
        spec.add_mesh(name=name, file=f"{name}.stl")
        first = spec.geom(model.geom(members[0]).name)
        spec.body(body.name).add_geom(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=name,
            material=first.material,
            rgba=first.rgba,
            group=1,
            contype=0,
            conaffinity=0,
            mass=0.0,
        )
        for member in members:
            spec.geom(model.geom(member).name).delete()
    _drop_unused_meshes(spec, folder)


def _mergeable(model: mujoco.MjModel, index: int) -> bool:
    shape = model.geom_type[index] in (mujoco.mjtGeom.mjGEOM_MESH, mujoco.mjtGeom.mjGEOM_BOX)
    collides = model.geom_contype[index] or model.geom_conaffinity[index]
    return bool(shape and not collides and model.geom_group[index] < _VISIBLE_GROUPS)


def _union(model: mujoco.MjModel, data: mujoco.MjData, members: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) in the world and faces (F, 3) of some geoms together."""
    vertices: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    for index in members:
        points, corners = _shape(model, index)
        faces.append(corners + sum(len(part) for part in vertices))
        vertices.append(points @ data.geom_xmat[index].reshape(3, 3).T + data.geom_xpos[index])
    return np.concatenate(vertices), np.concatenate(faces)


def _shape(model: mujoco.MjModel, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices in the geom's frame and faces of a mesh or box."""
    if model.geom_type[index] == mujoco.mjtGeom.mjGEOM_BOX:
        signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        return signs * model.geom_size[index], _BOX_FACES
    mesh = model.geom_dataid[index]
    start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    first, number = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    return model.mesh_vert[start : start + count].astype(np.float64), model.mesh_face[first : first + number]


def _drop_unused_meshes(spec: mujoco.MjSpec, folder: Path) -> None:
    used = {geom.meshname for geom in spec.geoms}
    for mesh in list(spec.meshes):
        if mesh.name not in used:
            (folder / mesh.file).unlink()
            mesh.delete()
