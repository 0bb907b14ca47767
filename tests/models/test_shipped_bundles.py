"""Bundles by name: where they are found, what wins, and what the shipped ones have to be."""

from pathlib import Path

import pytest

from lossless_ros import defaults, paths
from lossless_ros.errors import LosslessError
from lossless_ros.models.bundle import load_bundle, read_bundle
from lossless_ros.models.policy_library import find_bundles
from lossless_ros.paths import find_bundle, shipped_bundles
from lossless_ros.simulation.env import check_world

TOTAL_BYTES = 2_000_000


@pytest.fixture
def shipped(bundle_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a shipped bundle called `stack`, the only one; the working folder is empty."""
    monkeypatch.setattr(paths, "SHIPPED_BUNDLES", bundle_path.parent)
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    return bundle_path.rename(bundle_path.with_name("stack.safetensors"))


def test_a_name_is_a_shipped_bundle(shipped: Path) -> None:
    assert shipped_bundles() == {"stack": shipped}
    assert find_bundle("stack") == find_bundle(Path("stack")) == shipped
    assert find_bundles("stack") == {"rgb_stacking/triplet1": shipped}
    assert read_bundle("stack") == read_bundle(shipped)
    assert load_bundle("stack")[0].hash == read_bundle(shipped).hash


def test_a_path_that_exists_wins_over_a_name(shipped: Path) -> None:
    Path("stack").write_bytes(shipped.read_bytes())
    assert find_bundle("stack") == Path("stack")
    Path("stack").unlink()
    Path("stack").mkdir()
    with pytest.raises(LosslessError, match=r"no bundle \(\*.safetensors\) in stack"):
        find_bundles("stack")
    with pytest.raises(LosslessError, match="stack is a folder, expected a bundle file"):
        read_bundle("stack")


@pytest.mark.parametrize("find", [find_bundles, read_bundle, load_bundle])
def test_an_unknown_name_lists_those_that_exist(shipped: Path, find) -> None:
    with pytest.raises(LosslessError, match=r"^unknown bundle 'stak'; known: stack; or give a bundle's path \(\*"):
        find("stak")


@pytest.mark.parametrize("path", ["stak.safetensors", "runs/stack"])
def test_what_looks_like_a_path_is_none_of_the_names(shipped: Path, path: str) -> None:
    with pytest.raises(LosslessError, match=f"^no such file: {path} "):
        read_bundle(path)


def test_shipped_bundles_are_small() -> None:
    found = shipped_bundles()
    assert sum(path.stat().st_size for path in found.values()) < TOTAL_BYTES
    assert defaults.BUNDLE in found


def test_shipped_bundles_can_share_a_node() -> None:
    """One contract, one backbone that installs with the package, and a task of its own each."""
    bundles = {name: load_bundle(path)[0] for name, path in shipped_bundles().items()}
    assert {name: bundle.task for name, bundle in bundles.items()} == {n: f"rgb_stacking/{n}" for n in bundles}
    assert {bundle.backbone for bundle in bundles.values()} == {defaults.BACKBONE}
    assert len({bundle.fingerprint for bundle in bundles.values()}) == 1
    assert len({bundle.contract for bundle in bundles.values()}) == 1
    for bundle in bundles.values():
        check_world(bundle.task, "lab")
        assert bundle.provenance["data"]["episodes"] and bundle.provenance["steps"], "no provenance"
        assert not bundle.network.trainable_backbone
