from concurrent.futures import ThreadPoolExecutor

import pytest
import timm
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models.adapter_set import AdapterSet
from lossless_ros.models.adapters import Adapters
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.families import find_family
from tests.support.policies import awake

NAMES = ["test_efficientnet", "test_resnet", "test_nfnet", "test_vit"]
KINDS = {
    "a": (("bottom", "middle"), 4, 3),
    "b": (("bottom", "middle"), 4, 3),
    "middle": (("middle",), 4, 1),
    "wide": (("bottom", "middle"), 6, 3),
}


@pytest.fixture(scope="module", params=NAMES)
def backbone(request) -> Backbone:
    torch.manual_seed(0)
    model = timm.create_model(request.param)
    awake(model)
    return Backbone(request.param, find_family(request.param, model), model, "random")


@pytest.fixture(scope="module")
def adapters(backbone) -> dict[str, Adapters]:
    made = {}
    for seed, (name, (placements, rank, kernel)) in enumerate(KINDS.items()):
        made[name] = Adapters(backbone.sites, placements, rank, kernel)
        awake(made[name], seed)
    made["top"] = Adapters(backbone.sites, ("top",), 4, 3)
    return made


@pytest.fixture(scope="module")
def tasks(backbone, adapters) -> AdapterSet:
    return AdapterSet(backbone, adapters, torch.float32)


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return bool((a - b).abs().max() <= 1e-4 * b.abs().max())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_mixed_batch_agrees_with_one_pass_per_task_and_plain_images_are_untouched(tasks, adapters, layout):
    wanted = [None, "a", "b", "middle", "wide", "top", "a", None]
    images = torch.rand(len(wanted), 3, 64, 64).to(memory_format=layout)
    with torch.inference_mode():
        mixed = tasks.features(images, wanted)
        plain = tasks.backbone.features(images)
        for i, task in enumerate(wanted):
            if task in (None, "top"):
                assert torch.equal(mixed[i], plain[i])
            else:
                alone = tasks.backbone.features(images, adapters[task])[i]
                assert close(mixed[i], alone) and not close(mixed[i], plain[i])


def test_same_images_for_several_tasks_share_what_is_plain(tasks, adapters):
    wanted = [None, "a", "middle", "top", "b"]
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        features = tasks.features_of_all(images, wanted)
        plain = tasks.backbone.features(images)
        assert torch.equal(features[0], plain) and features[3] is features[0]
        for task, feature in zip(wanted, features, strict=True):
            if task not in (None, "top"):
                assert close(feature, tasks.backbone.features(images, adapters[task]))


def test_prefix_is_computed_once(tasks):
    """Segments before the first adapter see the images once, however many tasks there are."""
    calls = []
    handle = next(m for m in tasks.backbone.model.modules() if isinstance(m, torch.nn.Conv2d)).register_forward_hook(
        lambda module, args, out: calls.append(len(args[0]))
    )
    with torch.inference_mode():
        tasks.features_of_all(torch.rand(2, 3, 64, 64), [None, "middle", "top"])
    handle.remove()
    assert calls == [2]


def test_wrong_tasks_are_named(tasks):
    with pytest.raises(LosslessError, match="unknown task 'c'; known: a, b, middle, top, wide"):
        tasks.features(torch.rand(1, 3, 64, 64), ["c"])
    with pytest.raises(ValueError, match="2 tasks for 1 images"):
        tasks.features(torch.rand(1, 3, 64, 64), ["a", "b"])


def test_batch_of_one_task_is_the_single_policys_pass(tasks, adapters):
    images = torch.rand(3, 3, 64, 64)
    with torch.inference_mode():
        for task in ("a", "middle"):
            assert close(tasks.features(images, [task] * 3), tasks.backbone.features(images, adapters[task]))


def test_half_precision_halves_the_memory_and_moves_features_little(tasks, adapters):
    half = AdapterSet(tasks.backbone, adapters)
    assert half.nbytes * 2 == tasks.nbytes
    assert tasks.nbytes == sum(p.numel() * 4 for a in adapters.values() for p in a.parameters())
    images = torch.rand(4, 3, 64, 64)
    wanted = ["a", "b", "middle", None]
    with torch.inference_mode():
        exact, rounded = tasks.features(images, wanted), half.features(images, wanted)
    assert torch.equal(exact[3], rounded[3])
    assert not torch.equal(exact[0], rounded[0])
    assert (exact - rounded).abs().max() < 0.01 * exact.abs().max()


def test_set_keeps_a_copy_of_its_own(backbone):
    given = Adapters(backbone.sites, ("middle",), 4, 1)
    awake(given)
    own = AdapterSet(backbone, {"a": given}, torch.float32)
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        before = own.features(images, ["a"])
        awake(given, 5)
        assert torch.equal(own.features(images, ["a"]), before)


def test_threads_wear_different_tasks_at_the_same_time(tasks):
    images = torch.rand(2, 3, 64, 64)

    def run(task):
        with torch.inference_mode():
            return [tasks.features(images, [task] * 2) for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        names = [None, "a", "b", "middle"]
        together = list(pool.map(run, names))
    for task, features in zip(names, together, strict=True):
        assert all(torch.equal(f, run(task)[0]) for f in features)
