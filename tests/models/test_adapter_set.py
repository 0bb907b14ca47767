import pytest
import timm
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models.adapter_set import AdapterSet
from lossless_ros.models.adapters import Adapters
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.families import find_family
from tests.models.conftest import awake

NAMES = ["test_efficientnet", "test_resnet", "test_nfnet", "test_vit"]
KINDS = {
    "a": (("bottom", "middle"), 4),
    "b": (("bottom", "middle"), 4),
    "middle": (("middle",), 4),
    "wide": (("bottom", "middle"), 6),
}


@pytest.fixture(scope="module", params=NAMES)
def tasks(request) -> AdapterSet:
    torch.manual_seed(0)
    model = timm.create_model(request.param)
    awake(model)
    backbone = Backbone(request.param, find_family(request.param, model), model, "random")
    made = {}
    for name, (placements, rank) in KINDS.items():
        made[name] = Adapters(backbone.sites, placements, rank, 3)
        awake(made[name])
    made["top"] = Adapters(backbone.sites, ("top",), 4, 3)
    return AdapterSet(backbone, made)


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return bool((a - b).abs().max() <= 1e-4 * b.abs().max())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_mixed_batch_agrees_with_one_pass_per_task_and_plain_images_are_untouched(tasks, layout):
    wanted = [None, "a", "b", "middle", "wide", "top", "a", None]
    images = torch.rand(len(wanted), 3, 64, 64).to(memory_format=layout)
    with torch.inference_mode():
        mixed = tasks.features(images, wanted)
        plain = tasks.backbone.features(images)
        for i, task in enumerate(wanted):
            if task in (None, "top"):
                assert torch.equal(mixed[i], plain[i])
            else:
                alone = tasks.backbone.features(images, tasks.tasks[task])[i]
                assert close(mixed[i], alone) and not close(mixed[i], plain[i])


def test_same_images_for_several_tasks_share_what_is_plain(tasks):
    wanted = [None, "a", "middle", "top", "b"]
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        features = tasks.features_of_all(images, wanted)
        plain = tasks.backbone.features(images)
        assert torch.equal(features[0], plain) and features[3] is features[0]
        for task, feature in zip(wanted, features, strict=True):
            if task not in (None, "top"):
                assert close(feature, tasks.backbone.features(images, tasks.tasks[task]))


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
