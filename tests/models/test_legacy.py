"""Bundles of version 0.1.0 (format 1) load and act as the same policies saved today."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import Bundle, load_bundle, read_bundle
from lossless_ros.models.policy import load_policy
from tests.support.policies import random_backbone, write_bundle

OLD_NETWORK_KEYS = {  # today's name -> that of format 1
    "placements": "placements",
    "bottleneck_dim": "rank",
    "kernel_size": "kernel",
    "image_size": "image_size",
    "top_size": "top_size",
    "top_grid": "top_grid",
    "hidden_dims": "hidden",
    "chunk_size": "chunk",
    "num_modes": "mixture",
    "trainable_backbone": "own_backbone",
}
POLICIES = {  # mode, changes of the network, today's names of tensors -> those of format 1
    "adapters": (
        "adapters",
        {},
        {
            "adapters.at.blocks_0.depthwise.weight": "adapters.at.blocks_0.near.weight",
            "adapters.at.blocks_6.up.bias": "adapters.at.blocks_6.up.bias",
            "top.proj.weight": "top.mix.weight",
            "head.0.weight": "head.0.weight",
        },
    ),
    "chunked mixture": (
        "adapters",
        {"chunk_size": 3, "num_modes": 2},
        {"adapters.at.blocks_2.depthwise.bias": "adapters.at.blocks_2.near.bias", "top.proj.bias": "top.mix.bias"},
    ),
    "full": (
        "full",
        {"placements": ("top",), "trainable_backbone": "pretrained"},
        {
            "trainable_backbone.model.conv_stem.weight": "own.model.conv_stem.weight",
            "top.proj.weight": "top.mix.weight",
        },
    ),
}


def old_name(name: str) -> str:
    """Return the name that format 1 gave to a tensor."""
    if name.startswith("trainable_backbone."):
        return name.replace("trainable_backbone.", "own.", 1)
    return name.replace(".depthwise.", ".near.").replace("top.proj.", "top.mix.")


def write_format_1(path: Path, bundle: Bundle, tensors: dict[str, torch.Tensor], absent: tuple[str, ...] = ()) -> str:
    """Write a bundle as version 0.1.0 did, without the keys `absent`, and return its hash."""
    tensors = {old_name(name): tensor for name, tensor in tensors.items()}
    today = dataclasses.asdict(bundle.network)
    network = {old: today[key] for key, old in OLD_NETWORK_KEYS.items()}
    metadata = {
        "format": "lossless_ros bundle",
        "format_version": "1",
        "task": bundle.task,
        "mode": bundle.mode,
        "contract": bundle.contract.to_json(),
        "backbone": bundle.backbone,
        "fingerprint": bundle.fingerprint,
        "source": bundle.source,
        "network": json.dumps({key: value for key, value in network.items() if key not in absent}, sort_keys=True),
        "provenance": json.dumps(bundle.provenance, sort_keys=True),
    }
    metadata = {key: value for key, value in metadata.items() if key not in absent}
    digest = hashlib.sha256()
    for key in sorted(metadata):
        digest.update(f"{key}={metadata[key]}\n".encode())
    for name in sorted(tensors):
        array = tensors[name].numpy()
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    save_file(tensors, path, metadata | {"content": digest.hexdigest()})
    return digest.hexdigest()


@pytest.fixture(params=POLICIES)
def policy_kind(request) -> str:
    return request.param


@pytest.fixture
def written(tmp_path, lite0, contract, config, policy_kind) -> tuple[Path, Path, str]:
    """Write the same policy in today's format and in format 1; the paths and the latter's hash."""
    mode, changes, _ = POLICIES[policy_kind]
    today, old = tmp_path / "today.safetensors", tmp_path / "old.safetensors"
    write_bundle(today, lite0, contract, dataclasses.replace(config, **changes), mode)
    bundle, tensors = load_bundle(today)
    return today, old, write_format_1(old, bundle, tensors)


def test_format_1_stores_the_old_names(written, policy_kind):
    today, old, _ = written
    todays, stored = load_file(today).keys(), load_file(old).keys()
    for new, former in POLICIES[policy_kind][2].items():
        assert new in todays
        assert former in stored
        assert new == former or new not in stored


def test_metadata_of_format_1_is_todays_but_for_the_hash(written):
    today, old, content_hash = written
    assert read_bundle(old) == dataclasses.replace(read_bundle(today), hash=content_hash)
    assert read_bundle(old).hash != read_bundle(today).hash


def test_tensors_of_format_1_get_todays_names(written):
    today, old, _ = written
    expected, tensors = load_bundle(today)[1], load_bundle(old)[1]
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)


def test_policy_of_format_1_gives_exactly_the_actions_of_todays(written, lite0, frames):
    today, old, _ = written
    expected, policy = load_policy(today, "cpu", lite0), load_policy(old, "cpu", lite0)
    assert policy.mode == expected.mode
    actions = [policy.act(frame) for frame in frames]
    assert np.array_equal(actions, [expected.act(frame) for frame in frames])
    assert np.array_equal(policy.act_batch(frames), expected.act_batch(frames))


def test_changed_tensor_of_format_1_is_detected(written):
    _, old, _ = written
    data = bytearray(old.read_bytes())
    data[-3] ^= 1
    old.write_bytes(data)
    with pytest.raises(LosslessError, match="content was changed"):
        load_bundle(old)


def test_first_bundles_without_later_keys_load_with_their_defaults(tmp_path, contract, config, frames):
    backbone = random_backbone("test_efficientnet")
    today, first = tmp_path / "today.safetensors", tmp_path / "first.safetensors"
    saved = write_bundle(today, backbone, contract, config)
    _, tensors = load_bundle(today)
    write_format_1(first, saved, tensors, absent=("source", "chunk", "mixture", "own_backbone"))
    policy = load_policy(first, "cpu", backbone)
    assert policy.bundle.network == config
    assert policy.bundle.source == ""
    assert np.array_equal(policy.act(frames[0]), load_policy(today, "cpu", backbone).act(frames[0]))
