"""A student that sees true object poses in place of images, so that perception cannot be what it lacks."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lossless_ros.contract import Contract
from lossless_ros.models.action_head import output_dim, select_mode
from lossless_ros.training.loss import loss, speed_limits

CHUNK_SIZE, WIDTH = 8, 256
BATCH_SIZE, STEPS, LEARNING_RATE = 256, 4000, 0.001
GRIPPER_WEIGHT = 0.2  # with squared errors
MIXTURE_GRIPPER_WEIGHT = 1.0  # with the likelihood of a mixture, which is larger
INPUT_NOISE = 0.05  # while training, in standard deviations of the input


def privileged_state(observation: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
    """Return the student's input (F,) float32: joints and tool as a policy gets them, and the true object poses.

    Each object adds its position in the base frame and relative to the tool [m], and its rotation matrix.
    """
    from lossless_sim.rotations import quaternion_to_matrix

    tool = observation["tcp_pose"]
    parts = [observation["joint_position"], observation["gripper_position"], tool[:3]]
    parts += [quaternion_to_matrix(tool[[6, 3, 4, 5]])[:, :2]]
    for _, pose in sorted(info["objects"].items()):
        parts += [pose[:3], pose[:3] - tool[:3], quaternion_to_matrix(pose[[6, 3, 4, 5]])]
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)


class Student(nn.Module):
    """The policies' action head on privileged states: (B, F) to head outputs (B, CHUNK_SIZE, W), see `action_head`."""

    mean: Tensor
    std: Tensor

    def __init__(self, features: int, actions: int, num_modes: int = 0) -> None:
        super().__init__()
        self._num_velocities, self._num_modes = actions - 1, num_modes  # the last component is the gripper
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        layers: list[nn.Module] = []
        for i, o in ((features, WIDTH), (WIDTH, WIDTH)):
            layers += [nn.Linear(i, o), nn.LayerNorm(o), nn.GELU()]
        self.head = nn.Sequential(*layers, nn.Linear(WIDTH, CHUNK_SIZE * output_dim(actions, actions - 1, num_modes)))

    def forward(self, states: Tensor, noise: float = 0.0) -> Tensor:
        x = (states - self.mean) / self.std
        return self.head(x + noise * torch.randn_like(x)).unflatten(1, (CHUNK_SIZE, -1))

    def act(self, states: Tensor) -> Tensor:
        """Return normalized actions (B, CHUNK_SIZE, A), see `action_head.select_mode`."""
        return select_mode(self(states), self._num_velocities, self._num_modes)


def train_student(episodes: list[dict[str, np.ndarray]], contract: Contract, num_modes: int = 0) -> Student:
    """Clone demonstrations, each with `states` (T, F) and `actions` (T, A); the student has `num_modes` modes."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    states = torch.from_numpy(np.concatenate([episode["states"] for episode in episodes]))
    actions = torch.from_numpy(np.concatenate([episode["actions"] for episode in episodes]))
    lengths = torch.tensor([len(episode["actions"]) for episode in episodes])
    ends = lengths.cumsum(0).repeat_interleave(lengths)  # (N,) index after the last frame of each frame's episode
    student = Student(states.shape[1], actions.shape[1], num_modes)
    student.mean.copy_(states.mean(0))
    student.std.copy_(states.std(0).clamp(min=0.01))
    optimizer = torch.optim.AdamW(student.parameters(), LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, STEPS, pct_start=0.03)
    limits = speed_limits(contract, "cpu")
    gripper_weight = MIXTURE_GRIPPER_WEIGHT if num_modes else GRIPPER_WEIGHT
    for _ in range(STEPS):
        now = torch.randint(len(states), (BATCH_SIZE,))
        then = now[:, None] + torch.arange(CHUNK_SIZE)
        known = then < ends[now, None]
        targets = actions[torch.minimum(then, ends[now, None] - 1)]
        outputs = student(states[now], INPUT_NOISE)
        value = loss(outputs, targets, known, float(known.sum()), limits, gripper_weight, num_modes)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
    return student.eval()
