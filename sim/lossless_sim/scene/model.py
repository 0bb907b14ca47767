"""Build MuJoCo models of the cell with three objects."""

from pathlib import Path

import mujoco
import numpy as np

from lossless_sim.rotations import matrix_to_quaternion
from lossless_sim.scene import names, stl
from lossless_sim.scene.cache import scene_folder
from lossless_sim.scene.objects import Triplet
from lossless_sim.scene.physics import Physics

MASS = 0.2  # of each object [kg] (dm-robotics-manipulation)
SHADOW_PIXELS = 512  # of the shadow map; the default of 4096 takes longer than the image
TEXTURE_PIXELS = 64
TEXTURE_SIZE = 0.25  # side of the patch that a texture covers before it repeats [m]
RGBA = {"red": (1, 0, 0, 1), "green": (0, 1, 0, 1), "blue": (0, 0, 1, 1)}  # released environment


def build_model(triplet: Triplet, physics: Physics) -> mujoco.MjModel:
    """Build the cell with the objects (red, green, blue) of a triplet."""
    folder = scene_folder()
    spec = mujoco.MjSpec.from_file(str(folder / "scene.xml"))
    _prepare_appearance(spec)
    for color, name in zip(names.COLORS, triplet, strict=True):
        spec.add_material(name=names.object_body(color), rgba=RGBA[color])
        _add_object(spec, color, str(folder / "objects" / f"{name}.stl"))
        spec.geom(f"{names.object_body(color)}_visual").material = names.object_body(color)
    if physics.lean:
        _disable_idle_geoms(spec)
    physics.apply(spec)
    return spec.compile()


def build_basket(cell: mujoco.MjModel, triplet: Triplet, physics: Physics) -> mujoco.MjModel:
    """Build the basket and the objects of `cell` without the robot, in which objects settle faster."""
    spec = mujoco.MjSpec()
    physics.apply(spec)
    spec.option.cone = cell.opt.cone
    spec.option.noslip_iterations = 0  # it prevents slip under load, and nothing is under load here
    data = mujoco.MjData(cell)
    mujoco.mj_kinematics(cell, data)
    for index in range(cell.ngeom):
        geom = cell.geom(index)
        fixed = cell.body_weldid[geom.bodyid[0]] == 0 and not geom.name.startswith(names.ROBOT)
        if fixed and geom.contype[0]:
            spec.worldbody.add_geom(
                name=geom.name,
                type=mujoco.mjtGeom(int(geom.type[0])),
                size=geom.size,
                pos=data.geom_xpos[index],
                quat=matrix_to_quaternion(data.geom_xmat[index]),
                friction=geom.friction,
                solref=geom.solref,
                solimp=geom.solimp,
            )
    for color, name in zip(names.COLORS, triplet, strict=True):
        _add_object(spec, color, str(scene_folder() / "objects" / f"{name}.stl"))
    return spec.compile()


def _add_object(spec: mujoco.MjSpec, color: str, file: str) -> None:
    """Add a free body with a visual and a collision geom."""
    name = names.object_body(color)
    spec.add_mesh(name=name, file=file)
    body = spec.worldbody.add_body(name=name)
    body.add_freejoint(name=name)
    mesh = {"type": mujoco.mjtGeom.mjGEOM_MESH, "meshname": name}
    body.add_geom(name=f"{name}_visual", rgba=RGBA[color], group=1, contype=0, conaffinity=0, mass=MASS, **mesh)
    body.add_geom(
        name=name,
        group=4,
        condim=6,
        friction=(0.5, 0.005, 0.0001),
        solref=(0.004, 1.0),
        mass=0.0,
        **mesh,
    )


def _prepare_appearance(spec: mujoco.MjSpec) -> None:
    """Add what domains change but cannot add to a compiled model: a basket texture and two more lights."""
    spec.visual.quality.shadowsize = SHADOW_PIXELS
    spec.visual.quality.offsamples = 0  # multisampling doubles the rendering time in software
    spec.material(names.TABLE_MATERIAL).reflectance = 0.0  # it is out of view, and a mirror takes another pass
    spec.add_texture(
        name=names.BASKET_TEXTURE,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        rgb1=(1, 1, 1),
        rgb2=(1, 1, 1),
        width=TEXTURE_PIXELS,
        height=TEXTURE_PIXELS,
    )
    material = spec.add_material(name=names.BASKET_MATERIAL)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = names.BASKET_TEXTURE
    for geom in spec.geoms:
        if geom.parent.name == names.BASKET_BODY:
            geom.material = names.BASKET_MATERIAL
            if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
                _map_texture(spec.mesh(geom.meshname), Path(spec.modelfiledir) / spec.meshdir)
    for name in names.LIGHTS[1:]:
        spec.worldbody.add_light(name=name, pos=(0.6, 0, 1.5), dir=(0, 0, -1), active=False, castshadow=False)


def _map_texture(mesh: mujoco.MjsMesh, folder: Path) -> None:
    """Add texture coordinates to a mesh file: each face is projected onto its nearest coordinate plane."""
    vertices, faces = stl.read((folder / mesh.file).read_bytes())
    corners = vertices[faces]  # (F, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    planes = np.array([[1, 2], [0, 2], [0, 1]])[np.abs(normals).argmax(axis=1)]
    flat = np.take_along_axis(corners, planes[:, None, :].repeat(3, axis=1), axis=2) / TEXTURE_SIZE
    mesh.file = ""
    mesh.uservert, mesh.userface = vertices.ravel(), faces.ravel()
    mesh.usertexcoord, mesh.userfacetexcoord = flat.ravel(), np.arange(faces.size)


def _disable_idle_geoms(spec: mujoco.MjSpec) -> None:
    """Disable collisions of the arm links, which never reach into the basket."""
    for geom in spec.geoms:
        link = geom.parent.name.removeprefix(names.ROBOT)
        if geom.parent.name.startswith(names.ROBOT) and "/" not in link:
            geom.contype = geom.conaffinity = 0
