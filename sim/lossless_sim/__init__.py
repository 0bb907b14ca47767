"""Simulated robot cells in MuJoCo: tasks, domain randomization, experts. Independent of ROS and torch."""

import ctypes.util
import os

import gymnasium

if "MUJOCO_GL" not in os.environ:  # MuJoCo reads it on first import; no display is needed
    os.environ["MUJOCO_GL"] = "egl" if ctypes.util.find_library("EGL") else "osmesa"

if "lossless/RgbStacking-v0" not in gymnasium.registry:
    gymnasium.register("lossless/RgbStacking-v0", entry_point="lossless_sim.env:RgbStackingEnv")
