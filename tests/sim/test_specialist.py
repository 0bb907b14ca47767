"""Released specialists: their SavedModels, whose weights are constants in the graph, and their networks."""

import os
from pathlib import Path

import numpy as np
import pytest
from lossless_sim.errors import SimError
from lossless_sim.experts.saved_model import NODES
from lossless_sim.experts.specialist import SHAPES, distribution, load_weights

RELEASED = "LOSSLESS_SAVED_MODELS"  # folder with mpo_state_rgb_test_triplet1 etc. (google-deepmind/rgb_stacking)


def _varint(value: int) -> bytes:
    more, last = value >> 7, value & 127
    return bytes([last]) if not more else bytes([last | 128]) + _varint(more)


def _field(number: int, value: bytes | int) -> bytes:
    """Encode a field of a protocol buffer."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _const(name: str, array: np.ndarray) -> bytes:
    """Encode a constant node as TensorFlow does."""
    shape = b"".join(_field(2, _field(1, size)) for size in array.shape)
    tensor = _field(1, 1) + _field(2, shape) + _field(4, array.astype("<f4").tobytes())
    value = _field(1, b"value") + _field(2, _field(8, tensor))
    return _field(1, name.encode()) + _field(2, b"Const") + _field(5, value)


def _write(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    nodes = b"".join(_field(3, _const(NODES[key], array)) for key, array in arrays.items())
    nodes += _field(3, _const("mpo/online/critic_mlp/mlp/linear_0/w", np.ones((261, 256))))
    graph = _field(2, _field(1, nodes))
    (folder / "saved_model.pb").write_bytes(_field(1, 1) + _field(2, _field(2, graph)))


def test_saved_model_round_trip_preserves_the_weights(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {key: rng.normal(size=shape).astype(np.float32) for key, shape in SHAPES.items()}
    _write(tmp_path, arrays)
    weights = load_weights(tmp_path)
    assert weights.keys() == arrays.keys()
    for key in arrays:
        assert np.array_equal(weights[key], arrays[key]), key


@pytest.mark.parametrize("content", [None, b"", b"no protocol buffer", bytes(range(256))])
def test_invalid_saved_model_is_a_one_line_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(SimError, match="expected a SavedModel|is not a SavedModel|expected array 'in_w'") as error:
        load_weights(tmp_path)
    assert "\n" not in str(error.value)


def test_missing_array_is_named_in_the_error(tmp_path: Path) -> None:
    _write(tmp_path, {key: np.zeros(shape) for key, shape in SHAPES.items() if key != "grip_b"})
    with pytest.raises(SimError, match="expected array 'grip_b' of shape .*, found nothing"):
        load_weights(tmp_path)


def test_weights_of_another_shape_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, **{key: np.zeros(shape if key != "in_w" else (3, 3)) for key, shape in SHAPES.items()})
    with pytest.raises(SimError, match=r"expected array 'in_w' of shape \(292, 256\), found \(3, 3\)"):
        load_weights(path)


@pytest.mark.parametrize("number", [1, 4])
def test_network_computes_the_released_distribution(teachers: Path, number: int) -> None:
    """Compare 50 observations of the released environment with the outputs of the released TensorFlow policy."""
    weights = load_weights(teachers / f"triplet{number}.npz")
    with np.load(teachers / f"fixture_triplet{number}.npz") as fixture:
        mean, deviation, logits = distribution(weights, fixture["obs"])
        assert np.allclose(mean, fixture["tf_loc"], atol=1e-4)
        assert np.allclose(deviation, fixture["tf_scale"], atol=1e-4)
        assert np.allclose(logits, fixture["tf_logits"], atol=1e-3)


@pytest.mark.parametrize("number", [1, 4])
def test_released_saved_models_contain_the_shared_weights(teachers: Path, number: int) -> None:
    folder = Path(os.environ.get(RELEASED, "/nonexistent")) / f"mpo_state_rgb_test_triplet{number}"
    if not folder.is_dir():
        pytest.skip(f"{RELEASED} does not contain the released saved_models")
    released, shared = load_weights(folder), load_weights(teachers / f"triplet{number}.npz")
    for key in SHAPES:
        assert np.array_equal(released[key], shared[key]), key
