"""Environments in which MuJoCo cannot render: one line each, which says what works."""

import multiprocessing
import os
import subprocess
import sys

import pytest
from lossless_sim import opengl
from lossless_sim.errors import SimError
from lossless_sim.opengl import check_opengl

ENVIRONMENTS = {
    "no display": ({"MUJOCO_GL": "glfw"}, True, "MUJOCO_GL=glfw (no display); unset it or use egl"),
    "library is missing": ({"MUJOCO_GL": "osmesa"}, False, "(library OSMesa is not installed, package libosmesa6)"),
    "other platform of before": (
        {"MUJOCO_GL": "egl", "PYOPENGL_PLATFORM": "glx"},
        False,
        "(PYOPENGL_PLATFORM is glx, unset it)",
    ),
    "off": ({"MUJOCO_GL": "off"}, True, "MUJOCO_GL=off (it turns rendering off)"),
    "misspelled": ({"MUJOCO_GL": "elg"}, False, "(no such value; known: egl, osmesa, glfw, off)"),
}


@pytest.fixture(autouse=True)
def only_egl(monkeypatch):
    """A machine with libEGL, without libOSMesa and without a display."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "PYOPENGL_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(opengl.ctypes.util, "find_library", lambda name: "libEGL.so.1" if name == "EGL" else None)
    opengl._fault.cache_clear()
    yield
    opengl._fault.cache_clear()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environment_that_cannot_render_is_one_line(monkeypatch, name):
    variables, rendering, message = ENVIRONMENTS[name]
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SimError) as error:
        check_opengl(rendering)
    assert message in str(error.value) and "use egl" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("value", "rendering"), [("egl", True), ("EGL", True), ("glfw", False), ("off", False)])
def test_environment_that_suffices_is_accepted(monkeypatch, value, rendering):
    monkeypatch.setenv("MUJOCO_GL", value)
    check_opengl(rendering)


def test_command_reports_a_misspelled_value_in_one_line(tmp_path):
    code = "import sys; from lossless_ros.cli.app import main; sys.argv[0] = 'lossless'; main()"
    collect = ("collect", "--task", "rgb_stacking/triplet1", "--episodes", "1", "--out", str(tmp_path / "out"))
    environment = {**os.environ, "MUJOCO_GL": "elg", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code, *collect], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if "MUJOCO_GL=elg" in line] == done.stderr.splitlines()[-1:]
    assert "Traceback" not in done.stderr


def render_in_fork(queue):
    from lossless_sim.render import check_not_forked

    try:
        check_not_forked()
        queue.put("rendered")
    except SimError as error:
        queue.put(str(error))


def test_process_forked_after_rendering_says_so(monkeypatch):
    from lossless_sim import opengl

    monkeypatch.setattr(opengl, "_rendering", [os.getpid()])
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=render_in_fork, args=(queue,))
    process.start()
    assert "start processes with spawn" in queue.get()
    process.join()
