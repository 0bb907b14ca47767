"""Every backbone family with every placement and mode, on small models with random weights from a file."""

import copy
import dataclasses

import pytest
import timm
import torch
from safetensors.torch import save_file

from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.verify import verify
from lossless_ros.models.adapters import MAX_SHARE, Adapters, count_parameters, default_bottleneck_dim
from lossless_ros.models.backbones import Backbone, check_segments, load_backbone
from lossless_ros.models.families import find_family
from lossless_ros.models.network_config import TOPS
from lossless_ros.models.policy import load_policy
from lossless_ros.models.weights import create_model
from lossless_ros.training.hyperparameters import BACKBONE_INIT, MODES, load_hyperparameters, network_config
from tests.support.policies import randomize_parameters, write_bundle

SMALL = {  # timm name -> family, image size [px]
    "test_efficientnet": ("efficientnet", 64),
    "test_resnet": ("resnet", 64),
    "test_nfnet": ("nfnet", 64),
    "resnet50_clip.openai": ("clip_resnet", 64),
    "test_vit": ("vit", 64),
}
TAPS = {  # timm name -> taps, and sizes of their maps [px] for images of 64 px
    "test_efficientnet": (("blocks.2", "blocks.3", "blocks.4"), (8, 4, 2)),
    "test_resnet": (("layer2.0", "layer3.0", "layer4.0"), (8, 4, 2)),
    "test_nfnet": (("stages.1.0", "stages.2.0", "stages.3.0"), (8, 4, 2)),
    "resnet50_clip.openai": (("stages.1.3", "stages.2.5", "stages.3.2"), (8, 4, 2)),
    "test_vit": (("blocks.1.mlp", "blocks.3.mlp", "blocks.5.mlp"), (4, 4, 4)),
}
PLACEMENTS = [("bottom",), ("middle",), ("bottom", "middle", "top")]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write a file of random weights for each model."""
    folder = tmp_path_factory.mktemp("weights")
    for name in SMALL:
        torch.manual_seed(0)
        model = timm.create_model(name)
        randomize_parameters(model)
        save_file(model.state_dict(), folder / f"{name}.safetensors")
    return {name: folder / f"{name}.safetensors" for name in SMALL}


@pytest.fixture(scope="module")
def backbones(files) -> dict[str, Backbone]:
    return {name: load_backbone(name, files[name]) for name in SMALL}


def images(name: str, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, SMALL[name][1], SMALL[name][1], generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", SMALL)
def test_segments_equal_timms_forward_features_bit_for_bit(backbones, name):
    backbone, x = backbones[name], images(name)
    assert backbone.family == SMALL[name][0]
    with torch.inference_mode():
        assert torch.equal(backbone.features(x), backbone.model.forward_features(x))
        spatial = backbone.spatial(backbone.features(x))
    assert spatial.shape[:2] == (2, backbone.feature_channels)
    assert spatial.shape[2] == spatial.shape[3]


@pytest.mark.parametrize("name", SMALL)
def test_sites_declare_the_channels_of_their_features(backbones, name):
    visited = []

    def adapt(site, feature):
        tokens = next(s.tokens for s in backbones[name].sites if s.name == site)
        visited.append((site, feature.shape[-1 if tokens else 1]))
        return feature

    with torch.inference_mode():
        backbones[name].features(images(name, 1), adapt)
    assert visited == [(site.name, site.channels) for site in backbones[name].sites]
    assert {s.placement for s in backbones[name].sites} == {"bottom", "middle"}


@pytest.mark.parametrize("placements", PLACEMENTS)
@pytest.mark.parametrize("name", SMALL)
def test_adapters_start_as_the_identity_and_are_all_that_gets_gradients(backbones, name, placements):
    backbone, x = backbones[name], images(name)
    adapters = Adapters(backbone.sites, placements, 4, 3)
    assert len(adapters.at) == sum(s.placement in placements for s in backbone.sites) > 0
    with torch.inference_mode():
        plain = backbone.features(x)
        assert torch.equal(backbone.features(x, adapters), plain)
    randomize_parameters(adapters)
    before = backbone.fingerprint
    adapted = backbone.features(x, adapters)
    adapted.square().sum().backward()
    assert not torch.equal(adapted, plain)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in adapters.parameters())
    assert all(p.grad is None for p in backbone.model.parameters())
    assert backbone.fingerprint == before
    with torch.inference_mode():
        assert torch.equal(backbone.features(x), plain)


def run_with_calls(backbone: Backbone, x: torch.Tensor, adapt=None) -> tuple[tuple[torch.Tensor, ...], list[str]]:
    """Return the maps of the backbone's taps, and the names of the segments that were run."""
    calls: list[str] = []

    def counted(segment):
        return lambda x, adapt: calls.append(segment.name) or segment.run(x, adapt)

    view = copy.copy(backbone)
    view.segments = tuple(dataclasses.replace(s, run=counted(s)) for s in backbone.segments)
    return view.maps(x, tuple(backbone.taps), adapt), calls


@pytest.mark.parametrize("name", SMALL)
def test_taps_are_maps_of_three_scales_and_what_follows_is_not_run(backbones, name):
    backbone, x = backbones[name], images(name)
    names, sizes = TAPS[name]
    assert tuple(backbone.taps) == names
    with torch.inference_mode():
        maps, calls = run_with_calls(backbone, x)
        every = [segment.name for segment in backbone.segments]
        assert calls == every[: every.index(names[-1]) + 1]
        assert (calls != every) == (SMALL[name][0] != "resnet")  # which ends with its last stage
        assert [m.shape for m in maps] == [(2, c, n, n) for c, n in zip(backbone.taps.values(), sizes, strict=True)]
        outputs = {}  # copies, which later segments cannot change
        for segment in backbone.segments:
            x = segment.run(x, lambda site, feature: feature)
            outputs[segment.name] = x.clone()
    assert all(torch.equal(m, backbone.spatial(outputs[tap])) for m, tap in zip(maps, names, strict=True))


@pytest.mark.parametrize("name", SMALL)
def test_taps_start_as_the_plain_ones_and_each_passes_gradients_to_all_adapters_before_it(backbones, name):
    backbone, x = backbones[name], images(name)
    adapters = Adapters(backbone.sites, ("bottom", "middle"), 4, 3)
    taps = tuple(backbone.taps)
    with torch.inference_mode():
        plain = backbone.maps(x, taps)
        assert all(torch.equal(a, b) for a, b in zip(backbone.maps(x, taps, adapters), plain, strict=True))
    randomize_parameters(adapters)
    order = [segment.name for segment in backbone.segments]
    adapted = backbone.maps(x, taps, adapters)
    for tap, feature, bare in zip(taps, adapted, plain, strict=True):
        assert not torch.equal(feature, bare)
        adapters.zero_grad()
        feature.square().sum().backward(retain_graph=True)
        before = {s.name for segment in backbone.segments[: order.index(tap) + 1] for s in segment.sites}
        for site in backbone.sites:
            reached = [p.grad is not None and p.grad.abs().sum() > 0 for p in adapters.get(site.name).parameters()]
            assert reached == [site.name in before] * len(reached)
    assert before == {site.name for site in backbone.sites}
    assert all(p.grad is None for p in backbone.model.parameters())


@pytest.mark.parametrize(
    ("name", "taps"),
    [
        ("tf_efficientnet_lite0", {"blocks.2": 40, "blocks.4": 112, "blocks.6": 320}),
        ("resnet50", {"layer2.3": 512, "layer3.5": 1024, "layer4.2": 2048}),
        ("dm_nfnet_f0", {"stages.1.1": 512, "stages.2.5": 1536, "stages.3.2": 1536}),
        ("vit_base_patch16_224", {"blocks.3.mlp": 768, "blocks.7.mlp": 768, "blocks.11.mlp": 768}),
    ],
)
def test_taps_of_full_size_models(name, taps):
    with torch.device("meta"):
        model = create_model(name)
        assert Backbone(name, find_family(name, model), model, "none").taps == taps


CASES = [
    (name, mode, top)
    for name in SMALL
    for mode in MODES
    for top in TOPS
    if (SMALL[name][0] != "clip_resnet" or mode == "adapters") and (top == "grid" or "top" in MODES[mode])
]


@pytest.mark.parametrize(("name", "mode", "top"), CASES)
def test_bundle_of_every_mode_loads_as_saved_and_is_verified(backbones, files, tmp_path, contract, name, mode, top):
    path = tmp_path / "task.safetensors"
    settings = dataclasses.replace(
        load_hyperparameters("demo"), bottleneck_dim=4, kernel_size=3, image_size=64, hidden_dims=(16,), top=top
    )
    saved = write_bundle(path, backbones[name], contract, network_config(settings, mode, backbones[name]), mode)
    policy = load_policy(path, "cpu")
    assert policy.bundle == saved
    assert policy.mode == mode
    assert policy.backbone.source == f"file {files[name]}"
    report = verify(path, backbone=backbones[name])
    if mode in BACKBONE_INIT:
        assert not report["ok"]
        assert "not lossless by design" in report["reason"]
    else:
        assert report["ok"], report["failures"]


@pytest.mark.parametrize("name", ["vit_base_patch16_224", "resnet50", "dm_nfnet_f0"])
def test_default_bottleneck_of_full_size_models_stays_within_the_share(name):
    with torch.device("meta"):
        model = create_model(name)
        backbone = Backbone(name, find_family(name, model), model, "none")
        bottleneck_dim = default_bottleneck_dim(backbone.sites, 3, backbone.num_parameters)
        adapters = Adapters(backbone.sites, ("bottom", "middle"), bottleneck_dim, 3)
    assert 0.009 < count_parameters(adapters) / backbone.num_parameters <= MAX_SHARE


def test_model_of_another_family_is_refused(tmp_path):
    model = timm.create_model("test_convnext")
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(LosslessError, match="is a ConvNeXt; known families: .*vit"):
        load_backbone("test_convnext", tmp_path / "w.safetensors")


def test_variant_with_another_forward_pass_is_refused(tmp_path):
    model = timm.create_model("resnet32ts")
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(LosslessError, match="variant of clip_resnet that is not supported") as error:
        load_backbone("resnet32ts", tmp_path / "w.safetensors")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["resnet18d", "nf_resnet26", "vit_tiny_patch16_224", "efficientnet_b0"])
def test_other_timm_models_of_the_families_work_by_name(tmp_path, name):
    model = timm.create_model(name)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    backbone = load_backbone(name, tmp_path / "w.safetensors")
    check_segments(backbone)
    with torch.inference_mode():
        x = torch.rand(1, 3, 64, 64)
        assert torch.equal(backbone.features(x, Adapters(backbone.sites, PLACEMENTS[2], 4, 1)), backbone.features(x))


def test_image_size_that_is_not_a_multiple_of_the_patch_size_is_refused(backbones):
    vit = backbones["test_vit"]
    assert vit.check_size(64) == 64
    with pytest.raises(LosslessError, match="image_size is 100, test_vit takes multiples of 16, such as 96 or 112"):
        vit.check_size(100)
    assert backbones["test_resnet"].check_size(100) == 100
