"""The released state-based specialists (Lee et al. 2021) in plain numpy.

Network of the released SavedModels (google-deepmind/rgb_stacking): linear, LayerNorm, tanh, two ELU layers of 256; a
Gaussian over the arm's four velocities (with tanh on its mean) and two logits for the gripper.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lossless_sim.actions import ACTION_HIGH
from lossless_sim.errors import SimError
from lossless_sim.experts.saved_model import read_saved_model
from lossless_sim.state_layout import STATE_SIZE

WIDTH = 256
SHAPES = {
    "in_w": (STATE_SIZE, WIDTH),
    "in_b": (WIDTH,),
    "ln_gamma": (WIDTH,),
    "ln_beta": (WIDTH,),
    "mlp0_w": (WIDTH, WIDTH),
    "mlp0_b": (WIDTH,),
    "mlp1_w": (WIDTH, WIDTH),
    "mlp1_b": (WIDTH,),
    "gauss_w": (WIDTH, 8),
    "gauss_b": (8,),
    "grip_w": (WIDTH, 2),
    "grip_b": (2,),
}
Weights = dict[str, np.ndarray]


def load_weights(path: Path) -> Weights:
    """Load the weights of an actor from an .npz file with the keys of SHAPES, or from a released SavedModel folder.

    Raises:
        SimError: the file does not exist or is no .npz or SavedModel, or an array is missing or has another shape.
    """
    if path.is_dir():
        weights = read_saved_model(path)
    else:
        try:
            with np.load(path, allow_pickle=False) as file:
                weights = {key: np.asarray(file[key], np.float32) for key in SHAPES if key in file.files}
        except (OSError, ValueError, AttributeError) as error:
            raise SimError(f"cannot read specialist weights {path}: {error}") from None
    for key, shape in SHAPES.items():
        if key not in weights or weights[key].shape != shape:
            found = weights[key].shape if key in weights else "nothing"
            raise SimError(f"{path}: expected array '{key}' of shape {shape}, found {found}")
    return weights


def distribution(weights: Weights, state: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean (..., 4) and standard deviation (..., 4) of the arm's velocities, and gripper logits (..., 2).

    Velocities are in units of the action limits.

    Args:
        weights: arrays by the keys of SHAPES.
        state: observations (..., 292) float32 in the layout of `lossless_sim.state_layout`.
    """
    w = weights
    hidden = state @ w["in_w"] + w["in_b"]
    centered = hidden - hidden.mean(-1, keepdims=True)
    variance = np.square(centered).mean(-1, keepdims=True)
    hidden = np.tanh(centered / np.sqrt(variance + np.float32(1e-5)) * w["ln_gamma"] + w["ln_beta"])
    for layer in ("mlp0", "mlp1"):
        hidden = _elu(hidden @ w[f"{layer}_w"] + w[f"{layer}_b"])
    gauss = hidden @ w["gauss_w"] + w["gauss_b"]
    deviation = np.logaddexp(gauss[..., 4:], np.float32(0)) + np.float32(1e-4)
    return np.tanh(gauss[..., :4]), deviation, hidden @ w["grip_w"] + w["grip_b"]


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


class Specialist:
    """A released specialist, which samples its actions as released."""

    def __init__(self, weights: Weights, seed: int) -> None:
        self._weights = weights
        self._rng = np.random.default_rng(seed)

    def reset(self) -> None:
        """Do nothing: the policy depends on the current observation alone."""

    def act(self, obs: dict[str, np.ndarray], info: dict[str, Any]) -> np.ndarray:
        """Return a sampled action (5,) float32 within the limits."""
        mean, deviation, logits = distribution(self._weights, obs["state"])
        arm = mean + deviation * self._rng.standard_normal(4).astype(np.float32)
        closes = self._rng.random() < 1.0 / (1.0 + np.exp(logits[0] - logits[1]))
        action = np.append(np.clip(arm, -1.0, 1.0), 1.0 if closes else -1.0)
        return (action * ACTION_HIGH).astype(np.float32)
