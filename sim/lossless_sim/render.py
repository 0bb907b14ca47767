"""Off-screen rendering of the cell's cameras."""

import atexit
import weakref
from collections.abc import Sequence

import mujoco
import numpy as np

from lossless_sim.errors import unknown
from lossless_sim.opengl import begin_rendering, check_not_forked, no_opengl
from lossless_sim.scene import names

_MAX_GEOMS = 200
_HIDDEN_GROUP = 5  # MuJoCo draws geom groups 0, 1 and 2


class CameraRenderer:
    """Renders cameras of a model as square images of `size` pixels.

    The OpenGL context is created by the first `load` and belongs to the thread that called it. Without cameras, all
    methods do nothing.

    Raises:
        SimError: an unknown camera.
    """

    def __init__(self, cameras: Sequence[str], size: int) -> None:
        for name in cameras:
            if name not in names.CAMERAS:
                raise unknown("camera", name, names.CAMERAS)
        self.names = tuple(cameras)
        self._size = size
        self._context: _Context | None = None

    def load(self, model: mujoco.MjModel, assets: mujoco.MjModel) -> None:
        """Upload the textures of an episode's model, and its meshes if they are not those of the last episode.

        Args:
            model: model of the episode.
            assets: model that `model` was copied from, which identifies the meshes.

        Raises:
            SimError: there is no off-screen OpenGL.
        """
        if not self.names:
            return
        if self._context is None:
            self._context = _Context(self._size)
        self._context.load(model, assets)

    def render(self, model: mujoco.MjModel, data: mujoco.MjData, shadows: bool) -> dict[str, np.ndarray]:
        """Return one RGB image (size, size, 3) uint8 per camera of the model that was loaded last."""
        if self._context is None:
            return {}
        return self._context.render(model, data, self.names, shadows)

    def close(self) -> None:
        """Free the OpenGL context."""
        if self._context is not None:
            self._context.close()
            self._context = None


class _Context:
    """An OpenGL context with the meshes and textures of a model."""

    _scene: mujoco.MjvScene
    _mjr: mujoco.MjrContext

    def __init__(self, size: int) -> None:
        begin_rendering()
        from mujoco.gl_context import GLContext

        try:
            self._gl = GLContext(size, size)
        except Exception as error:
            raise no_opengl(" ".join(str(error).split())) from None
        self._gl.make_current()
        self._finalizer = weakref.finalize(self, self._gl.free)
        # At exit, weakref's own finalizers may run after MuJoCo has shut EGL down; this one has to run before.
        self._finalizer.atexit = False
        atexit.register(self._finalizer)
        self._size = size
        self._pixels = np.empty((size, size, 3), np.uint8)
        self._viewport = mujoco.MjrRect(0, 0, size, size)
        self._option = mujoco.MjvOption()
        self._assets: mujoco.MjModel | None = None  # whose meshes are uploaded

    def load(self, model: mujoco.MjModel, assets: mujoco.MjModel) -> None:
        """Upload what differs from the model that was loaded last."""
        check_not_forked()
        self._gl.make_current()
        if assets is self._assets:
            for name in (names.BASKET_TEXTURE, names.SKY_TEXTURE):  # what domains change
                mujoco.mjr_uploadTexture(model, self._mjr, model.texture(name).id)
            return
        model.vis.global_.offwidth = model.vis.global_.offheight = self._size
        self._scene = mujoco.MjvScene(model, maxgeom=_MAX_GEOMS)
        self._mjr = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._mjr)
        self._assets = assets

    def render(
        self, model: mujoco.MjModel, data: mujoco.MjData, cameras: Sequence[str], shadows: bool
    ) -> dict[str, np.ndarray]:
        """Return one RGB image (size, size, 3) uint8 per camera."""
        check_not_forked()
        self._gl.make_current()
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = shadows
        return {name: self._render(model, data, model.camera(names.camera(name)).id) for name in cameras}

    def _render(self, model: mujoco.MjModel, data: mujoco.MjData, index: int) -> np.ndarray:
        """Return the image of the camera of that index."""
        camera = mujoco.MjvCamera()
        camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        camera.fixedcamid = index
        groups = model.geom_group.copy()
        model.geom_group[outside_view(model, data, index)] = _HIDDEN_GROUP
        mujoco.mjv_updateScene(model, data, self._option, None, camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene)
        model.geom_group[:] = groups
        mujoco.mjr_render(self._viewport, self._scene, self._mjr)
        mujoco.mjr_readPixels(self._pixels, None, self._viewport, self._mjr)
        return self._pixels[::-1].copy()

    def close(self) -> None:
        """Free the OpenGL context."""
        self._mjr.free()
        self._finalizer()


def outside_view(model: mujoco.MjModel, data: mujoco.MjData, camera: int) -> np.ndarray:
    """Return the mask (ngeom,) of geoms whose bounding spheres lie outside a camera's square field of view."""
    relative = (data.geom_xpos - data.cam_xpos[camera]) @ data.cam_xmat[camera].reshape(3, 3)
    half_angle = np.deg2rad(model.cam_fovy[camera]) / 2
    across = np.abs(relative[:, :2]) * np.cos(half_angle) + relative[:, 2:] * np.sin(half_angle)  # it looks along -z
    infinite = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    return ~infinite & (across > model.geom_rbound[:, None]).any(axis=1)
