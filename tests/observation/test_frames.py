"""Alignment: frames depend on stamps alone, and every stream's fault is told from the others'."""

import itertools
import random

import numpy as np
import pytest

from lossless_ros.contract import load_contract
from lossless_ros.observation.frames import Aligner

CONTRACT = load_contract("rgb_stacking")
LEFT, RIGHT, JOINTS, TCP = CONTRACT.streams
FINGER = "robotiq_85_left_knuckle_joint"
MS = 1_000_000


def sample(stream, value):
    if stream == JOINTS:
        return {name: np.full(1, value) for name in CONTRACT.parts(JOINTS)}
    return {"": np.full(9, value) if stream == TCP else np.full((128, 128, 3), value % 256, np.uint8)}


def steady(stream, period_ms, offset_ms=0.0, n=20):
    return [(stream, round((1000 + offset_ms + k * period_ms) * MS), sample(stream, k)) for k in range(n)]


def run(samples):
    aligner = Aligner(CONTRACT)
    frames = [frame for s in samples for frame in aligner.push(*s)]
    return frames, aligner


def same(a, b):
    return a.stamp == b.stamp and a.stamps == b.stamps and (a.proprioception == b.proprioception).all()


def test_equal_stamps_make_a_frame_each():
    streams = [steady(s, 50) for s in CONTRACT.streams]
    frames, aligner = run(itertools.chain(*zip(*streams, strict=True)))
    assert [f.stamp for f in frames] == [s[1] for s in streams[0]]
    assert [f.proprioception[0] for f in frames] == list(range(20))
    assert not aligner.gaps and not aligner.ignored


def test_frames_do_not_depend_on_the_order_of_arrival_between_streams():
    streams = [steady(LEFT, 50), steady(RIGHT, 50, -7), steady(JOINTS, 4, 1, 250), steady(TCP, 20, 3, 50)]
    by_stamp, _ = run(sorted(itertools.chain(*streams), key=lambda s: s[1]))
    assert len(by_stamp) == 20
    shuffler = random.Random(0)
    for _ in range(5):
        queues = [list(s) for s in streams]
        arrival = []
        while any(queues):  # a stream may be late by up to 30 ms
            queue = min((q for q in queues if q), key=lambda q: q[0][1] + shuffler.random() * 30 * MS)
            arrival.append(queue.pop(0))
        frames, _ = run(arrival)
        assert all(same(a, b) for a, b in zip(frames, by_stamp, strict=False)) and len(frames) >= 19


def test_a_30_hz_camera_gives_20_frames_a_second():
    streams = [steady(LEFT, 100 / 3, n=60), *(steady(s, 10, n=220) for s in (RIGHT, JOINTS, TCP))]
    frames, _ = run(sorted(itertools.chain(*streams), key=lambda s: s[1]))
    assert len(frames) == pytest.approx(40, abs=1)


def test_a_frame_waits_for_a_late_stream_and_takes_the_nearest_sample():
    frames, _ = run([*steady(LEFT, 50, n=1), *steady(JOINTS, 50, n=1), *steady(TCP, 50, n=1)])
    assert not frames
    early, late = steady(RIGHT, 60, -25, n=2)  # 25 ms before, 35 ms after
    frames, _ = run([early, *steady(LEFT, 50, n=1), *steady(JOINTS, 50, n=1), *steady(TCP, 50, n=1), late])
    assert frames[0].stamps[RIGHT] == early[1]


def test_history_is_the_same_values_before_the_frame_however_they_arrive():
    contract = load_contract("rgb_stacking_tcp")
    assert [part.dim for part in contract.proprioception] == [4, 9]
    assert contract.joints() == {FINGER: 0}
    joints = [(JOINTS, round((1000 + 4 * k) * MS), {FINGER: np.array([4.0 * k])}) for k in range(250)]
    streams = [steady(LEFT, 50), steady(RIGHT, 50), joints, steady(TCP, 20, 3, 50)]
    samples = sorted(itertools.chain(*streams), key=lambda s: s[1])
    late = sorted(samples, key=lambda s: s[1] + (25 * MS if s[0] == JOINTS else 0))
    for arrival in (samples, late):
        aligner = Aligner(contract)
        frames = [frame for s in arrival for frame in aligner.push(*s)]
        assert len(frames) >= 19
        for k, frame in enumerate(frames):
            milliseconds = np.maximum(0, 50 * k - np.array([0, 100, 200, 400]))  # a run's first sample before its start
            np.testing.assert_allclose(frame.proprioception[:4], milliseconds, atol=10)  # slop_s


def test_a_stream_that_stopped_is_counted_as_the_gap():
    streams = [steady(LEFT, 50), steady(JOINTS, 50), steady(TCP, 50), [steady(RIGHT, 50)[0], steady(RIGHT, 50)[-1]]]
    frames, aligner = run(sorted(itertools.chain(*streams), key=lambda s: s[1]))
    assert len(frames) <= 4
    assert set(aligner.gaps) == {RIGHT}


def test_repeated_and_older_stamps_are_ignored_and_counted():
    streams = [steady(s, 50) for s in CONTRACT.streams]
    samples = list(itertools.chain(*zip(*streams, strict=True)))
    frames, aligner = run([*samples, streams[0][-1], streams[0][3]])
    assert len(frames) == 20
    assert aligner.ignored == {LEFT: 2}


def test_a_clock_that_jumps_back_begins_a_new_run():
    samples = list(itertools.chain(*zip(*(steady(s, 50, n=60) for s in CONTRACT.streams), strict=True)))
    frames, aligner = run([*samples, *samples])
    assert len(frames) == 120
    assert not aligner.gaps


def split(samples, offset_ms=0.0):
    """Return the samples with the finger's joint in messages of its own, stamped `offset_ms` later."""
    out = []
    for stream, stamp, values in samples:
        if stream != JOINTS:
            out.append((stream, stamp, values))
            continue
        arm = {name: value for name, value in values.items() if name != FINGER}
        out += [(JOINTS, stamp, arm), (JOINTS, stamp + round(offset_ms * MS), {FINGER: values[FINGER]})]
    return out


def test_joints_in_messages_of_their_own_make_the_same_frames():
    streams = [steady(s, 50) for s in CONTRACT.streams]
    samples = list(itertools.chain(*zip(*streams, strict=True)))
    whole, _ = run(samples)
    parts, aligner = run(split(samples))
    assert len(parts) == 20 and all(same(a, b) for a, b in zip(parts, whole, strict=True))
    assert not aligner.ignored and not aligner.gaps


def test_each_joint_has_its_own_age():
    streams = [steady(s, 50) for s in CONTRACT.streams]
    samples = split(itertools.chain(*zip(*streams, strict=True)), offset_ms=-8)
    frames, aligner = run(samples)
    assert len(frames) == 20 and not aligner.ignored
    assert all(frame.stamps[JOINTS] == frame.stamp - 8 * MS for frame in frames)  # of the oldest joint
    late, aligner = run([s for s in samples if FINGER not in s[2] or s[1] < 1500 * MS])
    assert len(late) < 12 and set(aligner.gaps) == {JOINTS}


def test_a_message_of_other_joints_is_passed_over():
    streams = [steady(s, 50) for s in CONTRACT.streams]
    samples = list(itertools.chain(*zip(*streams, strict=True)))
    foreign = [s for sample in samples for s in (sample, (JOINTS, sample[1], {}))]
    frames, aligner = run(foreign)
    assert len(frames) == 20 and not aligner.ignored


def test_frames_that_wait_in_vain_are_counted_by_the_stream_they_wait_for():
    streams = [steady(LEFT, 50), steady(RIGHT, 50), steady(JOINTS, 50, -5000), steady(TCP, 50)]
    frames, aligner = run(itertools.chain(*zip(*streams, strict=True)))
    assert not frames and aligner.gaps == {JOINTS: 12}  # 8 of 20 still wait
    aligner.finish()
    assert aligner.gaps == {JOINTS: 20} and aligner.dropped == {JOINTS: 20}
