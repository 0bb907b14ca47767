"""The three views of the Kitchen."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import mujoco

    from lossless_sim.free_camera import FreeCamera

PLACES = {  # position [m] and the body that it looks at, from R3M's evaluation (github.com/suraj-nair-1/mj_envs)
    "left_cap2": ((-1.4, -1.0, 1.8), "knob 1"),
    "right_cap2": ((1.3, -0.7, 3.4), "microwave"),
}
_DEFAULT = ((-0.2, 0.5, 2.0), 2.2, 70.0, -35.0)  # target [m], distance [m], azimuth, elevation [deg]: the package's own
VIEWS = ("default", *PLACES)


class View:
    """A camera at one of VIEWS."""

    def __init__(self, camera: "FreeCamera", name: str) -> None:
        self._camera, self._name = camera, name

    def look(self, data: "mujoco.MjData") -> None:
        """Turn the camera to where its body is."""
        if self._name in PLACES:
            position, body = PLACES[self._name]
            self._camera.place(position, data.body(body).xpos)
        else:
            self._camera.orbit(*_DEFAULT)

    def render(self, data: "mujoco.MjData") -> np.ndarray:
        """Return the image (size, size, 3) uint8."""
        return self._camera.render(data)

    def close(self) -> None:
        """Free the OpenGL context."""
        self._camera.close()
