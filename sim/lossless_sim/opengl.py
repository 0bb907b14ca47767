"""Whether MuJoCo can render here: it reads MUJOCO_GL when it is imported, and fails in many ways."""

import ctypes.util
import os
import sys
from functools import cache

from lossless_sim.errors import SimError

_OFF = ("disable", "disabled", "off", "false", "0")
_WINDOW = ("glfw", "glx", "enable", "enabled", "on", "true", "1", "")  # these need a display
_LIBRARIES = {"egl": ("EGL", "libegl1"), "osmesa": ("OSMesa", "libosmesa6")}  # library and Debian's package


def check_opengl(rendering: bool) -> None:
    """Check that MuJoCo can be imported with this environment and, with `rendering`, that it can render.

    Raises:
        SimError: it cannot; the message says with which MUJOCO_GL it can.
    """
    display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    fault = _fault(os.environ.get("MUJOCO_GL", ""), os.environ.get("PYOPENGL_PLATFORM", ""), display, rendering)
    if fault and sys.platform == "linux":
        raise no_opengl(fault)


def no_opengl(why: str) -> SimError:
    """Return the error for a process that cannot render."""
    works = [name for name, (library, _) in _LIBRARIES.items() if ctypes.util.find_library(library)]
    advice = f"unset it or use {' or '.join(works)}" if works else "install libegl1 or libosmesa6"
    return SimError(f"no off-screen OpenGL with MUJOCO_GL={os.environ.get('MUJOCO_GL', '')} ({why}); {advice}")


@cache
def _fault(mujoco_gl: str, pyopengl: str, display: bool, rendering: bool) -> str:
    """Return why MuJoCo cannot be imported, or cannot render; empty if it can."""
    name = mujoco_gl.lower().strip()
    if name in _OFF:
        return "it turns rendering off" if rendering else ""
    if name in _WINDOW:
        return "no display" if rendering and not display else ""
    if name not in _LIBRARIES:
        return f"no such value; known: {', '.join(_LIBRARIES)}, glfw, off"
    library, package = _LIBRARIES[name]
    if not ctypes.util.find_library(library):
        return f"library {library} is not installed, package {package}"
    if pyopengl and pyopengl.lower() != name:
        return f"PYOPENGL_PLATFORM is {pyopengl}, unset it"
    return ""
