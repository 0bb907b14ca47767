"""A camera anywhere in a package's model, without a change of the model."""

import atexit
import weakref
from collections.abc import Sequence

import mujoco
import numpy as np

from lossless_sim.opengl import begin_rendering, check_not_forked, no_opengl

_SHADOW_MAP = 1024  # px; packages' 4096 takes three times as long in a software renderer and looks the same


class FreeCamera:
    """Renders square images of `size` pixels, upright, with the model's field of view.

    Raises:
        SimError: there is no off-screen OpenGL.
    """

    def __init__(self, model: mujoco.MjModel, size: int) -> None:
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

    def place(self, position: Sequence[float] | np.ndarray, target: Sequence[float] | np.ndarray) -> None:
        """Put the camera at a position (3,) [m], looking at a target (3,) [m]."""
        view = np.asarray(target) - np.asarray(position)
        distance = float(np.linalg.norm(view))
        azimuth, elevation = np.degrees([np.arctan2(view[1], view[0]), np.arcsin(view[2] / distance)])
        self.orbit(target, distance, float(azimuth), float(elevation))

    def orbit(self, target: Sequence[float] | np.ndarray, distance: float, azimuth: float, elevation: float) -> None:
        """Put the camera at a distance [m] from a target (3,) [m], looking at it along two angles [deg]."""
        self._camera.lookat = target
        self._camera.distance, self._camera.azimuth, self._camera.elevation = distance, azimuth, elevation

    def render(self, data: mujoco.MjData) -> np.ndarray:
        """Return the image (size, size, 3) uint8."""
        check_not_forked()
        self._renderer.update_scene(data, self._camera)
        return np.asarray(self._renderer.render())

    def close(self) -> None:
        """Free the OpenGL context."""
        self._finalizer()
