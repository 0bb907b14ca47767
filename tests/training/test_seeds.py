"""A bundle names the episodes that it was trained on, those of the bundle that it started from as well."""

from types import SimpleNamespace
from typing import Any

from lossless_ros.training.statistics import describe_seeds


def episodes(domain: str, *seeds: int) -> Any:
    return SimpleNamespace(episodes=[SimpleNamespace(info={"domain": domain, "seed": seed}) for seed in seeds])


DATA: Any = SimpleNamespace(training=episodes("randomized", 3, 4, 9), held_out=episodes("randomized", 20))


def test_seeds_of_the_bundle_that_training_started_from_count() -> None:
    before: Any = SimpleNamespace(provenance={"data": {"seeds": {"randomized": [[5, 7]], "lab": [[1, 2]]}}})
    assert describe_seeds(DATA)["seeds"] == {"randomized": [[3, 4], [9, 9]]}
    described = describe_seeds(DATA, before)
    assert described["seeds"] == {"lab": [[1, 2]], "randomized": [[3, 7], [9, 9]]}
    assert described["held_out_seeds"] == {"randomized": [[20, 20]]}


def test_seeds_are_not_named_if_the_bundle_that_training_started_from_has_none() -> None:
    before: Any = SimpleNamespace(provenance={"seed": 0})
    assert "seeds" not in describe_seeds(DATA, before)
