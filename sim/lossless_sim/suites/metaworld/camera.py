"""A camera that looks at the middle of the table, without a change of the package's model."""

import atexit
import weakref

import mujoco
import numpy as np

from lossless_sim.opengl import begin_rendering, check_not_forked, no_opengl
from lossless_sim.suites.metaworld.tasks import CAMERAS, LOOK_AT

_SHADOW_MAP = 1024  # px; the package's 4096 takes three times as long in a software renderer and looks the same


class TableCamera:
    """Renders square images of `size` pixels from one of CAMERAS.

    Raises:
        SimError: there is no off-screen OpenGL.
    """

    def __init__(self, model: mujoco.MjModel, name: str, size: int) -> None:
        begin_rendering()
        model.vis.global_.offwidth = model.vis.global_.offheight = size
        model.vis.quality.shadowsize = _SHADOW_MAP
        try:
            self._renderer = mujoco.Renderer(model, size, size)
        except Exception as error:
            raise no_opengl(" ".join(str(error).split())) from None
        self._finalizer = weakref.finalize(self, self._renderer.close)
        self._finalizer.atexit = False  # at exit it would run after MuJoCo has shut EGL down
        atexit.register(self._finalizer)
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FREE
        data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, data)
        look_at = data.body(LOOK_AT).xpos
        view = look_at - np.array(CAMERAS[name])
        self._camera.lookat = look_at
        self._camera.distance = float(np.linalg.norm(view))
        self._camera.azimuth = float(np.degrees(np.arctan2(view[1], view[0])))
        self._camera.elevation = float(np.degrees(np.arcsin(view[2] / self._camera.distance)))

    def render(self, data: mujoco.MjData) -> np.ndarray:
        """Return the image (size, size, 3) uint8."""
        check_not_forked()
        self._renderer.update_scene(data, self._camera)
        return np.asarray(self._renderer.render())

    def close(self) -> None:
        """Free the OpenGL context."""
        self._finalizer()
