"""Simulated robot cells in MuJoCo: tasks, randomized domains, experts. Knows nothing of ROS or torch."""

import ctypes.util
import os

import gymnasium

if "MUJOCO_GL" not in os.environ:  # MuJoCo reads it when it is first imported; nothing here needs a display
    os.environ["MUJOCO_GL"] = "egl" if ctypes.util.find_library("EGL") else "osmesa"

if "lossless/RgbStacking-v0" not in gymnasium.registry:
    gymnasium.register("lossless/RgbStacking-v0", entry_point="lossless_sim.env:RgbStackingEnv")
