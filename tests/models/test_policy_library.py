"""The policies of a node: found by task, on shared backbones, with the new and changed ones of a folder added later."""

import dataclasses

import pytest
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import load_bundle, save_bundle
from lossless_ros.models.policy_library import (
    RuntimeConfig,
    check_contract,
    choose_task,
    find_bundles,
    load_new_policies,
    load_policies,
)

CONFIG = RuntimeConfig(device="cpu", runtime="torch")


@pytest.fixture
def folder(bundle_path):
    """Bundles of two tasks, triplet1 and triplet2."""
    copy_for_task(bundle_path, "triplet2.safetensors", "rgb_stacking/triplet2")
    return bundle_path.parent


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def copy_for_task(bundle_path, name, task):
    bundle, tensors = load_bundle(bundle_path)
    save_bundle(bundle_path.with_name(name), dataclasses.replace(bundle, task=task), tensors)


def test_bundles_are_found_in_a_folder_or_as_a_file(folder):
    first = folder / "triplet1.safetensors"
    assert find_bundles(str(first)) == {"rgb_stacking/triplet1": first}
    assert find_bundles(str(folder)) == {
        "rgb_stacking/triplet1": first,
        "rgb_stacking/triplet2": folder / "triplet2.safetensors",
    }


def test_no_bundles_and_two_of_one_task_are_errors(folder, tmp_path_factory):
    with pytest.raises(
        LosslessError, match="parameter bundles is empty; give a bundle file, a folder of them or a shipped one"
    ):
        find_bundles("")
    with pytest.raises(LosslessError, match=r"no bundle \(\*.safetensors\) in"):
        find_bundles(str(tmp_path_factory.mktemp("empty")))
    copy_for_task(folder / "triplet1.safetensors", "zz.safetensors", "rgb_stacking/triplet1")
    with pytest.raises(LosslessError, match="are both for task rgb_stacking/triplet1; keep one of them"):
        find_bundles(str(folder))


def test_task_is_the_named_one_or_the_only_one(folder):
    found = find_bundles(str(folder))
    assert choose_task("rgb_stacking/triplet2", found) == "rgb_stacking/triplet2"
    assert choose_task("", {"rgb_stacking/triplet1": folder}) == "rgb_stacking/triplet1"
    with pytest.raises(LosslessError, match="several tasks, choose one with -p task:=NAME: .*triplet1, .*triplet2"):
        choose_task("", found)
    with pytest.raises(LosslessError, match="unknown task 'triplet9'; known: .*triplet1, .*triplet2"):
        choose_task("triplet9", found)


def test_policies_share_one_backbone_and_the_runtime_config(folder, threads):
    policies = load_policies(find_bundles(str(folder)), dataclasses.replace(CONFIG, threads=2))
    first, second = policies["rgb_stacking/triplet1"], policies["rgb_stacking/triplet2"]
    assert first.backbone is second.backbone
    assert (first.device, first.runtime, first.precision) == ("cpu", "torch", "float32")
    assert torch.get_num_threads() == 2


def test_less_than_one_thread_is_an_error(folder):
    with pytest.raises(LosslessError, match="parameter threads is 0, expected at least 1"):
        load_policies(find_bundles(str(folder)), dataclasses.replace(CONFIG, threads=0))


def test_bundle_with_another_contract_is_an_error(folder, threads):
    path = folder / "triplet2.safetensors"
    bundle, tensors = load_bundle(path)
    contract = dataclasses.replace(bundle.contract, rate_hz=bundle.contract.rate_hz / 2)
    save_bundle(path, dataclasses.replace(bundle, contract=contract), tensors)
    with pytest.raises(LosslessError, match="the contract of .*triplet2.safetensors differs from that of .*triplet1"):
        load_policies(find_bundles(str(folder)), CONFIG)


def test_only_new_and_changed_bundles_are_loaded_later(folder, threads):
    known = load_policies(find_bundles(str(folder / "triplet1.safetensors")), CONFIG)
    new, errors = load_new_policies(str(folder), known, CONFIG)
    assert (list(new), errors) == (["rgb_stacking/triplet2"], [])
    assert new["rgb_stacking/triplet2"].backbone is known["rgb_stacking/triplet1"].backbone
    bundle, tensors = load_bundle(folder / "triplet1.safetensors")
    save_bundle(folder / "triplet1.safetensors", dataclasses.replace(bundle, provenance={"seed": 1}), tensors)
    changed, errors = load_new_policies(str(folder), known | new, CONFIG)
    assert (list(changed), errors) == (["rgb_stacking/triplet1"], [])


def test_bundles_that_cannot_be_loaded_are_reported_one_line_each(folder, threads):
    known = load_policies(find_bundles(str(folder)), CONFIG)
    (folder / "half.safetensors").write_bytes((folder / "triplet1.safetensors").read_bytes()[:1000])
    new, errors = load_new_policies(str(folder), known, CONFIG)
    assert new == {}
    (line,) = errors
    assert "half.safetensors is not a bundle" in line
    assert "\n" not in line


def test_scan_of_a_file_is_an_error(folder):
    with pytest.raises(LosslessError, match="parameter bundles is .*triplet1.safetensors, expected a folder"):
        load_new_policies(str(folder / "triplet1.safetensors"), {}, CONFIG)


def test_contract_by_hand_may_change_timing_but_not_shapes(contract):
    check_contract(dataclasses.replace(contract, rate_hz=contract.rate_hz / 2), contract)
    camera = dataclasses.replace(contract.cameras[0], width=contract.cameras[0].width + 2)
    with pytest.raises(LosslessError, match="camera sizes, proprioception and action must be the same"):
        check_contract(dataclasses.replace(contract, cameras=(camera, *contract.cameras[1:])), contract)
