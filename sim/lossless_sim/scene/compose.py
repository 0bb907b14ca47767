"""Compose the cell once from DeepMind's wheels and write it as plain MJCF with meshes.

The parts (Sawyer, FTS300, Robotiq 2F-85, basket, cameras) come unmodified from dm-robotics-moma and
dm-robotics-manipulation. The export changes this: each mesh of the robot becomes two geoms, its convex hull for
collisions (which MuJoCo would use anyway) and a decimated mesh for rendering; visual geoms that move together are
merged by color; inertias are written out, so that they stay those of the original meshes; geoms that are used only by
DeepMind's collision avoidance (off in this task) are left out.
"""

import json
import sys
from pathlib import Path

import mujoco
import numpy as np

from lossless_sim.scene import stl
from lossless_sim.scene.merge import merge_visuals

BASKET_POSITION = (0.6, 0.0, 0.0498)  # center of the basket's floor [m] (released environment)
TRIANGLES = {  # per visual mesh; enough for images of 128x128 pixels
    "lasercut": 90,
    "robot0/robotiq_fts300/robotiq_2f85/reinforced_fingertip": 220,
    "robot0/robotiq_fts300": 240,
    "robot0/base": 200,
    "robot0/head": 200,
    "robot0": 240,
}
_QP_GEOMS = "CollisionGeom"


def compose(folder: Path) -> None:
    """Write `scene.xml` with its meshes, and every RGB object's mesh under `objects/`, into `folder`."""
    xml, assets = _reference_mjcf()
    spec = mujoco.MjSpec.from_string(xml, assets=assets)
    original = spec.compile()
    meshes = {mesh.name: _vertices(mesh, assets) for mesh in spec.meshes}
    _write_inertias(spec, original)
    mesh_folder = folder / "meshes"
    mesh_folder.mkdir(parents=True)
    written: dict[str, str] = {}
    for geom in list(spec.geoms):
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
            _split(spec, geom, meshes, mesh_folder, written)
        elif _QP_GEOMS in geom.name and not geom.contype:
            geom.delete()
        elif geom.rgba[3] == 0:
            geom.group = 4  # not to be seen, and drawn all the same
    for mesh in list(spec.meshes):
        if mesh.name in meshes:
            mesh.delete()
    spec.meshdir = "meshes"
    spec.assets = {name: (mesh_folder / name).read_bytes() for name in written.values()}
    merge_visuals(spec, spec.compile(), mesh_folder)
    spec.assets = {path.name: path.read_bytes() for path in mesh_folder.iterdir()}
    spec.compile()
    (folder / "scene.xml").write_text(spec.to_xml())
    _copy_objects(folder / "objects")


def _reference_mjcf() -> tuple[str, dict[str, bytes]]:
    """The cell as DeepMind's classes compose it: XML text and mesh files by name."""
    from dm_robotics.manipulation.standard_cell import rgb_basket
    from dm_robotics.moma.models.arenas import empty
    from dm_robotics.moma.models.end_effectors.robot_hands import robotiq_2f85
    from dm_robotics.moma.models.end_effectors.wrist_sensors import robotiq_fts300
    from dm_robotics.moma.models.robots.robot_arms import sawyer, sawyer_constants

    arena = empty.Arena()
    site = arena.mjcf_model.worldbody.add("site", pos=BASKET_POSITION, rgba="0 0 0 0", size="0.01")
    arena.attach(rgb_basket.RGBBasket(), site)
    arm = sawyer.Sawyer(name="robot0", actuation=sawyer_constants.Actuation.INTEGRATED_VELOCITY)
    wrist_sensor = robotiq_fts300.RobotiqFTS300()
    wrist_sensor.attach(robotiq_2f85.Robotiq2F85())
    arm.attach(wrist_sensor)
    arena.attach(arm)
    model = arena.mjcf_model
    # The hidden state of the integrating actuators stays within these, in the original by a hook of its own.
    for actuator in model.find_all("actuator"):
        gripper = "fingers" in actuator.name
        index = 0 if gripper else int(actuator.name[1:])
        limits = sawyer_constants.JOINT_LIMITS
        actuator.actlimited = True
        actuator.actrange = (0.0, 255.0) if gripper else (limits["min"][index], limits["max"][index])
    return model.to_xml_string(), model.get_assets()


def _vertices(mesh: mujoco.MjsMesh, assets: dict[str, bytes]) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces = stl.read(assets[mesh.file])
    return vertices * np.asarray(mesh.scale), faces


def _write_inertias(spec: mujoco.MjSpec, original: mujoco.MjModel) -> None:
    for body in spec.bodies[1:]:
        source = original.body(body.name)
        body.explicitinertial = True
        body.mass = source.mass[0]
        body.inertia = source.inertia
        body.ipos = source.ipos
        body.iquat = source.iquat


def _triangles(mesh_name: str) -> int:
    return next(count for prefix, count in TRIANGLES.items() if prefix in mesh_name)


def _split(
    spec: mujoco.MjSpec,
    geom: mujoco.MjsGeom,
    meshes: dict[str, tuple[np.ndarray, np.ndarray]],
    folder: Path,
    written: dict[str, str],
) -> None:
    """Turn a mesh geom into a decimated visual one and, if it collides, a convex one under its name."""

    def asset(kind: str, vertices: np.ndarray, faces: np.ndarray) -> str:
        name = f"{source}_{kind}"
        if name not in written:
            written[name] = f"{name.replace('/', '_')}.stl"
            stl.write(folder / written[name], vertices, faces)
            spec.add_mesh(name=name, file=written[name])
        return name

    source = geom.meshname
    vertices, faces = meshes[source]
    simple = asset("visual", *stl.decimate(vertices, faces, _triangles(source)))
    geom.mass = 0.0
    if not (geom.contype or geom.conaffinity):
        geom.meshname = simple
        return
    geom.parent.add_geom(
        name=f"{geom.name}_visual",
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=simple,
        pos=geom.pos,
        quat=geom.quat,
        material=geom.material,
        rgba=geom.rgba,
        group=1,
        contype=0,
        conaffinity=0,
        mass=0.0,
    )
    geom.meshname = asset("hull", *stl.hull(vertices))
    geom.group = 4


def _copy_objects(folder: Path) -> None:
    """Copy the STL files of all RGB objects as `<name>.stl`, with `sets.json`: which are for what."""
    from dm_robotics.manipulation.props.rgb_objects import rgb_object

    folder.mkdir()
    test = set(rgb_object.RGB_OBJECTS_TEST_SET)
    sets = {
        "test": sorted(test),
        "train": sorted(rgb_object.RGB_OBJECTS_TRAIN_SET),
        "heldout": sorted(set(rgb_object.RGB_OBJECTS_HELDOUT_SET) - test),
    }
    (folder / "sets.json").write_text(json.dumps(sets, indent=1))
    for source in rgb_object.PROP_FEATURES[rgb_object.V1_3].mesh_paths:
        for path in sorted(Path(source).glob("*.stl")):
            (folder / f"{path.name.split('_')[0]}.stl").write_bytes(path.read_bytes())


if __name__ == "__main__":
    compose(Path(sys.argv[1]))
