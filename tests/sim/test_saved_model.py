"""Released specialists are read from their SavedModel folders, whose weights are constants in the graph."""

import os
from pathlib import Path

import numpy as np
import pytest
from lossless_sim.errors import SimError
from lossless_sim.experts.saved_model import NODES
from lossless_sim.experts.specialist import SHAPES, load_weights

RELEASED = "LOSSLESS_SAVED_MODELS"  # folder with mpo_state_rgb_test_triplet1 and so on (google-deepmind/rgb_stacking)
TEACHERS = Path(__file__).resolve().parents[3] / "shared" / "teachers"


def _varint(value: int) -> bytes:
    more, last = value >> 7, value & 127
    return bytes([last]) if not more else bytes([last | 128]) + _varint(more)


def _field(number: int, value: bytes | int) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _const(name: str, array: np.ndarray) -> bytes:
    """A constant node as TensorFlow writes it."""
    shape = b"".join(_field(2, _field(1, size)) for size in array.shape)
    tensor = _field(1, 1) + _field(2, shape) + _field(4, array.astype("<f4").tobytes())
    value = _field(1, b"value") + _field(2, _field(8, tensor))
    return _field(1, name.encode()) + _field(2, b"Const") + _field(5, value)


def _write(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    nodes = b"".join(_field(3, _const(NODES[key], array)) for key, array in arrays.items())
    nodes += _field(3, _const("mpo/online/critic_mlp/mlp/linear_0/w", np.ones((261, 256))))
    graph = _field(2, _field(1, nodes))
    (folder / "saved_model.pb").write_bytes(_field(1, 1) + _field(2, _field(2, graph)))


def test_weights_come_out_as_they_went_in(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {key: rng.normal(size=shape).astype(np.float32) for key, shape in SHAPES.items()}
    _write(tmp_path, arrays)
    weights = load_weights(tmp_path)
    assert weights.keys() == arrays.keys()
    assert all(np.array_equal(weights[key], arrays[key]) for key in arrays)


@pytest.mark.parametrize("content", [None, b"", b"no protocol buffer", bytes(range(256))])
def test_what_is_no_saved_model_gets_one_line(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(SimError, match="expected a SavedModel|is not a SavedModel|expected array 'in_w'") as error:
        load_weights(tmp_path)
    assert "\n" not in str(error.value)


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    _write(tmp_path, {key: np.zeros(shape) for key, shape in SHAPES.items() if key != "grip_b"})
    with pytest.raises(SimError, match="expected array 'grip_b' of shape .*, found nothing"):
        load_weights(tmp_path)


@pytest.mark.parametrize("number", [1, 4])
def test_the_released_folders_hold_the_shared_weights(number: int) -> None:
    folder = Path(os.environ.get(RELEASED, "/nonexistent")) / f"mpo_state_rgb_test_triplet{number}"
    if not folder.is_dir() or not TEACHERS.is_dir():
        pytest.skip(f"{RELEASED} does not name the released saved_models, or no ../shared/teachers")
    released, shared = load_weights(folder), load_weights(TEACHERS / f"triplet{number}.npz")
    assert all(np.array_equal(released[key], shared[key]) for key in SHAPES)
