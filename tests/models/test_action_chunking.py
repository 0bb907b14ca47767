"""Executions of action chunks: which predicted action is the one of a step."""

import dataclasses

import numpy as np
import pytest

from lossless_ros.errors import LosslessError
from lossless_ros.models.action_chunking import make_chunk_executor
from lossless_ros.models.bundle import copy_bundle, load_bundle, read_bundle
from lossless_ros.models.execution import Execution
from lossless_ros.models.policy import load_policy
from tests.models.test_bundle import rewrite
from tests.support.policies import write_bundle

PERIOD, SIZE = 50, 4


def executed(text: str, steps: list[int]) -> list[float]:
    """Return the actions at these steps; the chunk of the n-th frame at step s predicts 100 n + t for step s + t."""
    execute = make_chunk_executor(Execution.parse(text, SIZE), SIZE, PERIOD)
    chunks = [np.arange(100.0 * n, 100.0 * n + SIZE, dtype=np.float32)[:, None] for n in range(len(steps))]
    return [float(execute(1000 + PERIOD * step, chunk)[0]) for step, chunk in zip(steps, chunks, strict=True)]


def test_newest_takes_the_first_action_of_every_chunk():
    assert executed("newest", [0, 1, 2, 2, 0]) == [0, 100, 200, 300, 400]


def test_open_loop_uses_a_chunk_up_before_the_next():
    assert executed("open_loop:3", [0, 1, 2, 3, 4, 5, 6]) == [0, 1, 2, 300, 301, 302, 600]
    assert executed("open_loop:1", [0, 1, 2]) == executed("newest", [0, 1, 2])


def test_open_loop_skips_the_action_of_a_missed_frame():
    assert executed("open_loop:4", [0, 2, 3, 4]) == [0, 2, 3, 300]


def test_open_loop_starts_over_after_a_pause_and_when_a_stamp_does_not_advance():
    assert executed("open_loop:4", [0, 1, 9, 10]) == [0, 1, 200, 201]
    assert executed("open_loop:4", [5, 6, 2, 3]) == [0, 1, 200, 201]
    assert executed("open_loop:4", [5, 6, 6, 7]) == [0, 1, 200, 201]


def test_ensemble_weighs_by_the_formula_of_act():
    predictions = np.array([2.0, 101.0, 200.0])  # for step 2, the oldest first: i = 0, 1, 2
    for coeff in (-0.5, 0.0, 0.01, 2.0):
        weights = np.exp(-coeff * np.arange(3))
        expected = (weights * predictions).sum() / weights.sum()
        assert executed(f"ensemble:{coeff}", [0, 1, 2])[-1] == pytest.approx(expected)
    assert executed("ensemble:1000", [0, 1, 2])[-1] == pytest.approx(2)
    assert executed("ensemble:-1000", [0, 1, 2])[-1] == pytest.approx(200)


@pytest.mark.parametrize("text", ["newest", "ensemble:-0.1", "ensemble:0.01", "ensemble:0", "open_loop:4"])
def test_execution_is_read_as_it_is_written(text):
    assert str(Execution.parse(text, SIZE)) == text
    assert Execution.parse("ensemble", SIZE) == Execution()


@pytest.mark.parametrize(
    "text", ["", "oldest", "newest:1", "ensemble:", "ensemble:much", "ensemble:nan", "open_loop", "open_loop:0", "-1"]
)
def test_unknown_execution_names_the_known_ones(text):
    with pytest.raises(ValueError, match=rf"execution is {text}.*, expected newest, ensemble:M .* or open_loop:N"):
        Execution.parse(text, SIZE)


def test_open_loop_is_not_longer_than_the_chunk():
    with pytest.raises(ValueError, match="execution is open_loop:5 with chunk_size 4, expected .*1 to chunk_size"):
        Execution.parse("open_loop:5", SIZE)


@pytest.fixture
def chunked(tmp_path, lite0, contract, config):
    path = tmp_path / "chunked.safetensors"
    write_bundle(path, lite0, contract, dataclasses.replace(config, chunk_size=3))
    return path


def test_policy_executes_what_its_bundle_says_unless_told_otherwise(chunked, tmp_path, lite0, frames):
    def act(path, execution=None):
        policy = load_policy(path, "cpu", lite0, execution=execution)
        return [policy.act(frame) for frame in frames]

    open_loop = tmp_path / "open_loop.safetensors"
    copied = copy_bundle(chunked, open_loop, "open_loop:2")
    assert read_bundle(open_loop) == copied
    assert str(copied.execution) == "open_loop:2"
    assert copied.hash != read_bundle(chunked).hash
    assert load_bundle(open_loop)[1].keys() == load_bundle(chunked)[1].keys()
    batch = load_policy(chunked, "cpu", lite0)._predict(frames)
    np.testing.assert_allclose(act(open_loop), [batch[0, 0], batch[0, 1], batch[2, 0]], atol=1e-5)
    np.testing.assert_array_equal(act(open_loop, "newest"), act(chunked, "newest"))
    np.testing.assert_array_equal(act(chunked, "ensemble:-0.1"), act(chunked))
    with pytest.raises(LosslessError, match="execution is open_loop:4 with chunk_size 3"):
        act(chunked, "open_loop:4")


def test_reset_ends_an_open_loop(chunked, lite0, frames):
    policy = load_policy(chunked, "cpu", lite0, execution="open_loop:3")
    first = policy.act(frames[1])
    policy.reset()
    policy.act(frames[0])
    assert not np.array_equal(policy.act(frames[1]), first)
    policy.reset()
    np.testing.assert_array_equal(policy.act(frames[1]), first)


def test_bundle_without_execution_is_ensembled_as_before(chunked):
    rewrite(chunked, lambda metadata: metadata.pop("execution"))
    assert str(read_bundle(chunked).execution) == "ensemble:-0.1"


def test_unknown_execution_in_a_bundle_names_the_file(chunked):
    rewrite(chunked, lambda metadata: metadata.update(execution="open_loop:7"))
    with pytest.raises(LosslessError, match="chunked.safetensors: execution is open_loop:7 with chunk_size 3"):
        read_bundle(chunked)
