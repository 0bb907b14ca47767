"""Bundle files: metadata, hash, and one-line errors for whatever is wrong with a file."""

import dataclasses
import json
import struct
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import load_bundle, read_bundle, save_bundle


def rewrite(path, change):
    """Apply `change` to the bundle's metadata in place and write the file again."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        metadata = json.loads(file.read(length))["__metadata__"]
    tensors = load_file(path)
    change(metadata)
    save_file(tensors, path, metadata)


def test_metadata_is_read_as_saved(bundle_path, lite0, contract, config):
    bundle = read_bundle(bundle_path)
    assert (bundle.task, bundle.mode) == ("rgb_stacking/triplet1", "adapters")
    assert bundle.contract == contract
    assert bundle.network == config
    assert (bundle.backbone, bundle.fingerprint) == (lite0.name, lite0.fingerprint)
    assert bundle.provenance == {"seed": 0}


def test_same_content_gives_the_same_hash(bundle_path, tmp_path):
    bundle, tensors = load_bundle(bundle_path)
    again = tmp_path / "again.safetensors"
    assert save_bundle(again, bundle, tensors).hash == bundle.hash
    assert read_bundle(again) == bundle


def test_half_precision_rounds_what_was_trained_but_not_statistics(bundle_path, tmp_path):
    bundle, tensors = load_bundle(bundle_path)
    tensors["mean"] += 1 / 3
    tensors["std"] *= 4 / 3
    half = tmp_path / "half.safetensors"
    saved = save_bundle(half, dataclasses.replace(bundle, dtype="float16"), tensors)
    stored = load_file(half)
    assert {t.dtype for n, t in stored.items() if n not in ("mean", "std")} == {torch.float16}
    again, loaded = load_bundle(half)
    assert again == saved
    assert {t.dtype for t in loaded.values()} == {torch.float32}
    assert torch.equal(loaded["mean"], tensors["mean"])
    assert torch.equal(loaded["std"], tensors["std"])
    for name, tensor in tensors.items():
        torch.testing.assert_close(loaded[name], tensor, rtol=2**-11, atol=2**-25)
    assert half.stat().st_size < 0.6 * bundle_path.stat().st_size
    assert save_bundle(tmp_path / "again.safetensors", again, loaded).hash == saved.hash


def test_value_beyond_half_precision_is_refused(bundle_path):
    bundle, tensors = load_bundle(bundle_path)
    name = next(name for name in tensors if name.startswith("head."))
    tensors[name].view(-1)[0] = 1e6
    with pytest.raises(LosslessError, match=f"tensor {name} has values beyond the range of float16; use bundle_dtype"):
        save_bundle(bundle_path, dataclasses.replace(bundle, dtype="float16"), tensors)


def test_bundle_that_does_not_name_its_dtype_has_float32(bundle_path):
    rewrite(bundle_path, lambda metadata: metadata.pop("dtype"))
    assert read_bundle(bundle_path).dtype == "float32"


def test_metadata_is_read_without_importing_torch(bundle_path):
    code = (
        "import sys; from pathlib import Path; from lossless_ros.models.bundle import read_bundle;"
        f"read_bundle(Path({str(bundle_path)!r})); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(LosslessError, match="no such file: .*expected a bundle"):
        load_bundle(tmp_path / "none.safetensors")


def test_truncated_file_is_refused(bundle_path):
    data = bundle_path.read_bytes()
    for length in (0, 5, 100, len(data) // 2, len(data) - 1):
        bundle_path.write_bytes(data[:length])
        with pytest.raises(LosslessError, match="not a complete safetensors file"):
            load_bundle(bundle_path)


def test_file_of_another_format_is_refused(tmp_path):
    path = tmp_path / "image.safetensors"
    path.write_bytes(b"\x89PNG" * 100)
    with pytest.raises(LosslessError, match="not a complete safetensors file"):
        load_bundle(path)


def test_other_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(LosslessError, match="is not a bundle: a safetensors file, but not written by lossless train"):
        load_bundle(path)


def test_unknown_kind_of_top_is_named(bundle_path):
    rewrite(bundle_path, lambda m: m.update(network=m["network"].replace('"grid"', '"pyramid"')))
    with pytest.raises(LosslessError, match="network: top is 'pyramid', expected grid or keypoints"):
        read_bundle(bundle_path)


def test_bundle_that_does_not_name_its_top_has_a_grid(bundle_path, config):
    def remove_new_keys(metadata):
        network = json.loads(metadata["network"])
        new = ("top", "num_keypoints", "keypoint_channels")
        metadata["network"] = json.dumps({key: value for key, value in network.items() if key not in new})

    rewrite(bundle_path, remove_new_keys)
    assert read_bundle(bundle_path).network == config
    assert config.top == "grid"


def test_newer_format_asks_for_an_update(bundle_path):
    rewrite(bundle_path, lambda m: m.update(format_version="7"))
    with pytest.raises(LosslessError, match="bundle format 7, this version reads up to 2; update"):
        read_bundle(bundle_path)


def test_missing_metadata_is_named(bundle_path):
    rewrite(bundle_path, lambda m: m.pop("contract"))
    with pytest.raises(LosslessError, match="metadata lacks contract"):
        read_bundle(bundle_path)


def test_changed_metadata_is_detected(bundle_path):
    rewrite(bundle_path, lambda m: m.update(task="rgb_stacking/triplet4"))
    with pytest.raises(LosslessError, match="content was changed"):
        load_bundle(bundle_path)


def test_one_changed_byte_is_detected(bundle_path):
    data = bytearray(bundle_path.read_bytes())
    data[-3] ^= 1
    bundle_path.write_bytes(data)
    with pytest.raises(LosslessError, match="content was changed"):
        load_bundle(bundle_path)


def test_failed_save_leaves_no_file(bundle_path, tmp_path):
    bundle, tensors = load_bundle(bundle_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(LosslessError, match="cannot write"):
        save_bundle(tmp_path / "file" / "b.safetensors", bundle, tensors)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "triplet1.safetensors"]
