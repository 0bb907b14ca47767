"""Off-screen images of the cell's cameras."""

import atexit
import contextlib
import ctypes
import importlib.util
import weakref
from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np

from lossless_sim.errors import SimError, unknown
from lossless_sim.scene import names


def check_cameras(cameras: Sequence[str]) -> tuple[str, ...]:
    """The names as a tuple; SimError for one that the cell does not have."""
    for name in cameras:
        if name not in names.CAMERAS:
            raise unknown("camera", name, names.CAMERAS)
    return tuple(cameras)


_NOT_DRAWN = 5  # MuJoCo draws geom groups 0, 1 and 2


class Cameras:
    """Renders some cameras of a model, square images of `size` pixels.

    One OpenGL context per instance, used from the thread that made it.
    """

    def __init__(self, model: mujoco.MjModel, cameras: Sequence[str], size: int) -> None:
        from mujoco.gl_context import GLContext

        self.size = size
        self.names = check_cameras(cameras)
        _load_triton_before_mesa()
        try:
            self._gl = GLContext(size, size)
        except Exception as error:
            raise SimError(f"no off-screen OpenGL ({error}); try MUJOCO_GL=egl or MUJOCO_GL=osmesa") from None
        self._gl.make_current()
        self._finalizer = weakref.finalize(self, self._gl.free)
        # When the interpreter ends, weakref's own turn may come after MuJoCo's, which ends EGL; ours comes before it.
        self._finalizer.atexit = False
        atexit.register(self._finalizer)
        self._pixels = np.empty((size, size, 3), np.uint8)
        self._rect = mujoco.MjrRect(0, 0, size, size)
        self._option = mujoco.MjvOption()
        self.use(model)

    def use(self, model: mujoco.MjModel) -> None:
        """Upload the meshes and textures of a model."""
        model.vis.global_.offwidth = model.vis.global_.offheight = self.size
        self._gl.make_current()
        self._scene = mujoco.MjvScene(model, maxgeom=200)
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)

    def upload_textures(self, model: mujoco.MjModel) -> None:
        """Take over the pixels that domains change."""
        self._gl.make_current()
        for name in (names.BASKET_TEXTURE, names.SKY_TEXTURE):
            mujoco.mjr_uploadTexture(model, self._context, model.texture(name).id)

    def render(self, model: mujoco.MjModel, data: mujoco.MjData, shadows: bool = False) -> dict[str, np.ndarray]:
        """One image (size, size, 3) uint8 RGB per camera; `model` shares meshes and textures with `use`'s."""
        self._gl.make_current()
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = shadows
        images = {}
        groups = model.geom_group.copy()
        for name in self.names:
            view = mujoco.MjvCamera()
            view.type = mujoco.mjtCamera.mjCAMERA_FIXED
            view.fixedcamid = model.camera(names.camera(name)).id
            model.geom_group[out_of_view(model, data, view.fixedcamid)] = _NOT_DRAWN
            everything = mujoco.mjtCatBit.mjCAT_ALL
            mujoco.mjv_updateScene(model, data, self._option, None, view, everything, self._scene)
            model.geom_group[:] = groups
            mujoco.mjr_render(self._rect, self._scene, self._context)
            mujoco.mjr_readPixels(self._pixels, None, self._rect, self._context)
            images[name] = self._pixels[::-1].copy()
        return images

    def close(self) -> None:
        """Free the OpenGL context."""
        self._context.free()
        self._finalizer()


def _load_triton_before_mesa() -> None:
    """Load the LLVM of torch's compiler, where it is installed, before Mesa's.

    The other way round the process crashes as soon as something imports triton (seen with triton 3 and Mesa's
    software renderer), and a process that renders may well load a policy later.
    """
    triton = importlib.util.find_spec("triton")
    if triton and triton.origin:
        with contextlib.suppress(OSError):
            ctypes.CDLL(str(Path(triton.origin).parent / "_C" / "libtriton.so"))


def out_of_view(model: mujoco.MjModel, data: mujoco.MjData, camera: int) -> np.ndarray:
    """Mask over geoms (ngeom,) whose bounding spheres lie outside a camera's square field of view."""
    relative = (data.geom_xpos - data.cam_xpos[camera]) @ data.cam_xmat[camera].reshape(3, 3)
    half = np.deg2rad(model.cam_fovy[camera]) / 2
    across = np.abs(relative[:, :2]) * np.cos(half) + relative[:, 2:] * np.sin(half)  # it looks along -z
    endless = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    return ~endless & (across > model.geom_rbound[:, None]).any(axis=1)
