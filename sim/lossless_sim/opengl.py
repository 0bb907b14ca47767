"""Whether MuJoCo can render here: it reads MUJOCO_GL when it is imported, and fails in many ways."""

import contextlib
import ctypes.util
import importlib.util
import os
import sys
from functools import cache
from pathlib import Path

from lossless_sim.errors import SimError

_OFF = ("disable", "disabled", "off", "false", "0")
_WINDOW = ("glfw", "glx", "enable", "enabled", "on", "true", "1", "")  # these need a display
_LIBRARIES = {"egl": ("EGL", "libegl1"), "osmesa": ("OSMesa", "libosmesa6")}  # library and Debian's package

_rendering: list[int] = []  # the process that made the first OpenGL context


def begin_rendering() -> None:
    """Prepare this process for an OpenGL context; to be called before each is made.

    Raises:
        SimError: MuJoCo cannot render here, or this process was forked from one that had rendered.
    """
    check_opengl(rendering=True)
    if not _rendering:
        _rendering.append(os.getpid())
    check_not_forked()
    _load_triton_before_mesa()


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


def check_not_forked() -> None:
    """Check that no other process rendered before this one was forked from it: OpenGL would hang.

    Raises:
        SimError: one did.
    """
    if _rendering != [os.getpid()]:
        raise SimError(
            "this process was forked from one that had rendered, and OpenGL does not survive that; "
            "start processes with spawn (AsyncVectorEnv(..., context='spawn')) or before the first image"
        )


def _load_triton_before_mesa() -> None:
    """Load the LLVM of torch's compiler, where it is installed, before Mesa's.

    In the opposite order, a process that renders crashes as soon as something imports triton (seen with triton 3 and
    Mesa's software renderer), and it may well load a policy later.
    """
    triton = importlib.util.find_spec("triton")
    if triton and triton.origin:
        with contextlib.suppress(OSError):
            ctypes.CDLL(str(Path(triton.origin).parent / "_C" / "libtriton.so"))
