"""Several tasks on one backbone: each image gets its own task's features, and None the plain backbone's."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models.adapter_set import AdapterSet
from lossless_ros.models.adapters import Adapters
from lossless_ros.models.backbones import Backbone
from tests.support.policies import random_backbone, randomize_parameters

NAMES = ["test_efficientnet", "test_resnet", "test_nfnet", "test_vit"]
TASKS = {  # placements, bottleneck_dim, kernel_size
    "a": (("bottom", "middle"), 4, 3),
    "b": (("bottom", "middle"), 4, 3),
    "middle": (("middle",), 4, 1),
    "wide": (("bottom", "middle"), 6, 3),
}


@pytest.fixture(scope="module", params=NAMES)
def backbone(request) -> Backbone:
    return random_backbone(request.param)


@pytest.fixture(scope="module")
def adapters(backbone) -> dict[str, Adapters]:
    by_task = {}
    for seed, (name, (placements, bottleneck_dim, kernel_size)) in enumerate(TASKS.items()):
        by_task[name] = Adapters(backbone.sites, placements, bottleneck_dim, kernel_size)
        randomize_parameters(by_task[name], seed)
    by_task["top"] = Adapters(backbone.sites, ("top",), 4, 3)
    return by_task


@pytest.fixture(scope="module")
def adapter_set(backbone, adapters) -> AdapterSet:
    return AdapterSet(backbone, adapters, torch.float32)


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return bool((a - b).abs().max() <= 1e-4 * b.abs().max())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_mixed_batch_agrees_with_one_pass_per_task_and_leaves_plain_images_unchanged(adapter_set, adapters, layout):
    tasks = [None, "a", "b", "middle", "wide", "top", "a", None]
    images = torch.rand(len(tasks), 3, 64, 64).to(memory_format=layout)
    with torch.inference_mode():
        mixed = adapter_set.features(images, tasks)
        plain = adapter_set.backbone.features(images)
        for i, task in enumerate(tasks):
            if task in (None, "top"):
                assert torch.equal(mixed[i], plain[i])
            else:
                alone = adapter_set.backbone.features(images, adapters[task])[i]
                assert close(mixed[i], alone)
                assert not close(mixed[i], plain[i])


def test_all_tasks_on_the_same_images_agree_with_one_pass_per_task(adapter_set, adapters):
    tasks = [None, "a", "middle", "top", "b"]
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        features = adapter_set.features_of_all(images, tasks)
        assert torch.equal(features[0], adapter_set.backbone.features(images))
        assert features[3] is features[0]
        for task, feature in zip(tasks, features, strict=True):
            if task not in (None, "top"):
                assert close(feature, adapter_set.backbone.features(images, adapters[task]))


def test_layers_before_the_first_adapter_run_once_for_all_tasks(adapter_set):
    batches = []
    first = next(m for m in adapter_set.backbone.model.modules() if isinstance(m, torch.nn.Conv2d))
    handle = first.register_forward_hook(lambda module, args, out: batches.append(len(args[0])))
    with torch.inference_mode():
        adapter_set.features_of_all(torch.rand(2, 3, 64, 64), [None, "middle", "top"])
    handle.remove()
    assert batches == [2]


def test_unknown_task_and_wrong_number_of_tasks_are_errors(adapter_set):
    with pytest.raises(LosslessError, match="unknown task 'c'; known: a, b, middle, top, wide"):
        adapter_set.features(torch.rand(1, 3, 64, 64), ["c"])
    with pytest.raises(ValueError, match="2 tasks for 1 images"):
        adapter_set.features(torch.rand(1, 3, 64, 64), ["a", "b"])


def test_batch_of_one_task_agrees_with_that_tasks_adapters(adapter_set, adapters):
    images = torch.rand(3, 3, 64, 64)
    with torch.inference_mode():
        for task in ("a", "middle"):
            expected = adapter_set.backbone.features(images, adapters[task])
            assert close(adapter_set.features(images, [task] * 3), expected)


def test_half_precision_halves_memory_and_changes_features_by_less_than_one_percent(adapter_set, adapters):
    half = AdapterSet(adapter_set.backbone, adapters)
    assert half.nbytes * 2 == adapter_set.nbytes
    assert adapter_set.nbytes == sum(p.numel() * 4 for a in adapters.values() for p in a.parameters())
    images = torch.rand(4, 3, 64, 64)
    tasks = ["a", "b", "middle", None]
    with torch.inference_mode():
        exact, rounded = adapter_set.features(images, tasks), half.features(images, tasks)
    assert torch.equal(exact[3], rounded[3])
    assert not torch.equal(exact[0], rounded[0])
    assert (exact - rounded).abs().max() < 0.01 * exact.abs().max()


def test_adapter_set_keeps_its_own_copy_of_the_weights(backbone):
    given = Adapters(backbone.sites, ("middle",), 4, 1)
    randomize_parameters(given)
    own = AdapterSet(backbone, {"a": given}, torch.float32)
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        before = own.features(images, ["a"])
        randomize_parameters(given, 5)
        assert torch.equal(own.features(images, ["a"]), before)


def test_threads_run_different_tasks_at_the_same_time(adapter_set):
    images = torch.rand(2, 3, 64, 64)

    def run(task):
        with torch.inference_mode():
            return [adapter_set.features(images, [task] * 2) for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        tasks = [None, "a", "b", "middle"]
        concurrent = list(pool.map(run, tasks))
    for task, features in zip(tasks, concurrent, strict=True):
        alone = run(task)[0]
        assert all(torch.equal(f, alone) for f in features)
