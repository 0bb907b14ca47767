"""Files that are damaged, huge or made to harm: each is one line, read without mapping it, before memory is used."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lossless_ros.contract.size_limits import BUNDLE_LIMITS
from lossless_ros.errors import LosslessError
from lossless_ros.models import bundle as module
from lossless_ros.models import policy
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.bundle import BundleFile, load_bundle, read_bundle, save_bundle
from lossless_ros.models.policy import load_policy
from lossless_ros.models.training_statistics import PREFIX, TrainingStatistics

DEEP = "[" * 100_000


def raw(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensor(**changes):
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


FILES = {
    "deep nesting": (raw(DEEP.encode()), "its header is not JSON"),
    "not an object": (raw([1, 2]), "its header is not a JSON object"),
    "single surrogate": (raw(b'{"__metadata__": {"task": "\\ud800"}}'), "its header is not JSON"),
    "bytes that are no text": (raw(b'{"\xff": 1}'), "its header is not JSON"),
    "thousands of digits": (raw(b'{"w": ' + b"9" * 5000 + b"}"), "its header is not JSON"),
    "metadata that are numbers": (raw({"__metadata__": {"format": 3}}), "metadata are not texts"),
    "header of 16 EB": (b"\xff" * 8 + b"{}", "a header of .* TB, at most 1 MB"),
    "tensor that is no object": (raw({"w": 3}, bytes(8)), "tensor w has type None"),
    "unknown type": (raw(tensor(dtype="C64"), bytes(8)), "tensor w has type C64, expected one of F64"),
    "negative shape": (raw(tensor(shape=[-2]), bytes(8)), "tensor w has no valid shape"),
    "true as a shape": (raw(tensor(shape=[True, 2]), bytes(8)), "tensor w has no valid shape"),
    "a hundred dimensions": (raw(tensor(shape=[1] * 99 + [2]), bytes(8)), "tensor w has no valid shape"),
    "huge shape": (raw(tensor(shape=[10**30]), bytes(8)), "tensor w has 8 bytes, which do not fit its shape"),
    "offsets that are text": (raw(tensor(data_offsets=["0", "8"]), bytes(8)), "no valid data_offsets"),
    "offsets beyond the end": (raw(tensor(data_offsets=[8, 16]), bytes(8)), "begins at byte 8, expected 0"),
    "bytes after the end": (raw(tensor(), bytes(9)), "incomplete: 9 bytes of tensors, expected 8"),
    "bytes are missing": (raw(tensor(), bytes(7)), "incomplete: 7 bytes of tensors, expected 8"),
}


@pytest.mark.parametrize("name", FILES)
def test_file_that_is_no_safetensors_file_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "b.safetensors"
    path.write_bytes(FILES[name][0])
    with pytest.raises(LosslessError, match=f"not a complete safetensors file .*{FILES[name][1]}") as error:
        read_bundle(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_size_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "b.safetensors"
    path.write_bytes((90 << 20).to_bytes(8, "little") + b"{")
    os.truncate(path, 100 << 20)
    with pytest.raises(LosslessError, match="a header of 94 MB, at most 1 MB are read"):
        read_bundle(path)
    os.truncate(path, BUNDLE_LIMITS.file + 1)
    with pytest.raises(LosslessError, match="2147 MB, at most 2147 MB are read"):
        read_bundle(path)


def test_file_is_not_mapped_and_may_shrink_while_it_is_read(bundle_path: Path) -> None:
    """Reading a mapped file that was overwritten in place ends the process by SIGBUS."""
    unreadable = pytest.raises(LosslessError, match=r"triplet1.safetensors is not .*\(it ends before byte ")
    with unreadable, BundleFile(bundle_path) as file:
        assert str(bundle_path) not in Path("/proc/self/maps").read_text()
        os.truncate(bundle_path, 100)
        file.load()


def test_file_replaced_between_its_check_and_its_use_is_not_used(bundle_path: Path, lite0, monkeypatch) -> None:
    bundle, tensors = load_bundle(bundle_path)
    check = policy._check_sizes

    def replace(path: Path, file: BundleFile, backbone: Backbone) -> None:
        check(path, file, backbone)
        save_bundle(path, dataclasses.replace(bundle, provenance={"seed": 7}), {n: 2 * t for n, t in tensors.items()})

    monkeypatch.setattr(policy, "_check_sizes", replace)
    checked = load_policy(bundle_path, "cpu", lite0)
    assert checked.bundle == bundle
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in checked.network.state_dict().items())
    assert read_bundle(bundle_path).provenance == {"seed": 7}


def test_file_overwritten_between_its_check_and_its_use_is_refused(bundle_path: Path, lite0, monkeypatch) -> None:
    check = policy._check_sizes

    def overwrite(path: Path, file: BundleFile, backbone: Backbone) -> None:
        check(path, file, backbone)
        with path.open("r+b") as other:
            other.seek(-4, os.SEEK_END)
            other.write(bytes(4))

    monkeypatch.setattr(policy, "_check_sizes", overwrite)
    with pytest.raises(LosslessError, match=r"triplet1.safetensors: content was changed after writing"):
        load_policy(bundle_path, "cpu", lite0)


def test_header_of_a_loaded_policy_is_read_once(bundle_path: Path, lite0, monkeypatch) -> None:
    opened = []
    monkeypatch.setattr(module, "_describe", lambda *args, d=module._describe: opened.append(args) or d(*args))
    load_policy(bundle_path, "cpu", lite0)
    assert len(opened) == 1


def rewrite(path: Path, **metadata: str) -> None:
    """Replace texts of a bundle's metadata; JSON in them may be changed by a function."""
    with safe_open(path, "pt") as file:
        old = dict(file.metadata())
    new = {key: change(json.loads(old[key])) if callable(change) else change for key, change in metadata.items()}
    save_file(load_file(path), path, old | new)


def changed(**values):
    return lambda data: json.dumps({**data, **values})


def camera(**values):
    return lambda data: json.dumps({**data, "cameras": [{**data["cameras"][0], **values}, *data["cameras"][1:]]})


METADATA = {
    "deep nesting": ({"contract": DEEP}, "metadata key contract is not a JSON object"),
    "a list of pairs": ({"network": '[["placements", []]]'}, "metadata key network is not a JSON object"),
    "odd digits as version": ({"format_version": "²"}, "bundle format ², this version reads up to 2"),
    "Arabic digits as version": ({"format_version": "٢"}, "this version reads up to 2"),
    "number that is no float": ({"contract": lambda d: json.dumps(d).replace("20.0", "1" + "0" * 400)}, "too large"),
    "camera of 20 000 px": ({"contract": camera(width=20_000)}, "20000x.*, expected at most 4096x4096"),
    "name that is no topic": ({"contract": camera(name="../front left")}, "expected a topic name"),
    "name that begins with a digit": ({"contract": camera(name="0")}, "expected a topic name"),
    "endless name": ({"contract": camera(name="a" * 10_000)}, "expected a topic name"),
    "endless age": ({"contract": changed(max_age_s=float("inf"))}, "max_age_s is inf, expected seconds"),
    "frame with a line break": (
        {"contract": lambda data: json.dumps({**data, "action": {**data["action"], "frame_id": "a\nb"}})},
        r"frame_id is 'a\\nb', expected 1 to 200 printable characters",
    ),
    "task with an escape sequence": ({"task": "a\x1b[2J"}, r"task is 'a\\x1b\[2J', expected .* printable"),
    "policy images of 20 000 px": ({"network": changed(image_size=20_000)}, "image_size is 20000, expected at most"),
    "hidden layer of 10^9": ({"network": changed(hidden_dims=[10**9])}, "hidden_dims is 1000000000, expected at most"),
    "endless chunks": ({"network": changed(chunk_size=10**9)}, "chunk_size is 1000000000, expected at most 1000"),
    "endless unknown key": ({"network": changed(**{"x" * 9999: 1})}, "unknown key 'x{100}'; known"),
}


@pytest.mark.parametrize("name", METADATA)
def test_metadata_that_cannot_be_used_are_one_line(bundle_path: Path, name: str) -> None:
    metadata, message = METADATA[name]
    rewrite(bundle_path, **metadata)
    with pytest.raises(LosslessError, match=message) as error:
        read_bundle(bundle_path)
    assert "\n" not in str(error.value) and "\x1b" not in str(error.value) and len(str(error.value)) < 800


def test_sizes_that_do_not_fit_the_tensors_use_no_memory(bundle_path: Path, lite0) -> None:
    """64 million weights per hidden layer: refused by the shapes in the header, before a network is made."""
    rewrite(bundle_path, network=changed(hidden_dims=[16_000] * 16))
    with pytest.raises(LosslessError, match=r"tensor head.\S+ is .*, expected \(16000,"):
        load_policy(bundle_path, "cpu", lite0)


def test_statistics_have_to_fit_the_contract(bundle_path: Path) -> None:
    with safe_open(bundle_path, "pt") as file:
        metadata = file.metadata()
    names = [f"{PREFIX}{name}" for name in TrainingStatistics.__dataclass_fields__]
    save_file({**load_file(bundle_path), **{name: torch.zeros(3) for name in names}}, bundle_path, metadata)
    with pytest.raises(LosslessError, match=r"statistics.action_mean is float32 \(3,\), expected float32 \(5,\)"):
        read_bundle(bundle_path)
