"""Every runtime against torch, the reference: the same actions but for the differences stated here."""

import dataclasses
import gc
import importlib.util

import numpy as np
import pytest
import timm
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models import policy
from lossless_ros.models.backbones import Backbone
from lossless_ros.models.bundle import load_bundle, save_bundle
from lossless_ros.models.families import find_family
from lossless_ros.models.policy import load_policy
from lossless_ros.models.runtimes import onnx as runtimes_onnx
from lossless_ros.models.runtimes import openvino as runtimes_openvino
from lossless_ros.models.runtimes.registry import find_precision, find_runtime, make_runtime
from lossless_ros.observation.frames import Frame
from tests.support.gpu import needs_gpu
from tests.support.policies import awake, write_bundle


def has_tensorrt() -> bool:
    try:
        import onnxruntime
    except ImportError:
        return False
    return "TensorrtExecutionProvider" in onnxruntime.get_available_providers()


CPU, GPU = torch.device("cpu"), torch.device("cuda")
needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
needs_onnx = pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
needs_tensorrt = pytest.mark.skipif(not has_tensorrt(), reason="ONNX Runtime has no TensorRT here")
LARGEST_DIFFERENCE = [  # of an action's component, in parts of its limit: backbone, image size [px], runtime, bound
    *(
        pytest.param(name, size, "openvino", bound, marks=needs_openvino)
        for name, size, bound in [
            ("tf_efficientnet_lite0", 64, 1e-4),
            ("test_resnet", 64, 1e-4),
            ("test_nfnet", 64, 1e-4),
            ("test_vit", 160, 1e-4),
            ("test_vit", 64, 5e-3),  # not its own size
        ]
    ),
    *(
        pytest.param(name, size, "onnxruntime", 1e-4, marks=needs_onnx)
        for name, size in [
            ("tf_efficientnet_lite0", 64),
            ("test_resnet", 64),
            ("test_nfnet", 64),
            ("test_vit", 160),
            ("test_vit", 64),
        ]
    ),
    *(
        pytest.param(name, 64, runtime, 5e-2, marks=[needs_gpu, *more])
        for runtime, more in (("cuda_graph", []), ("tensorrt", [needs_tensorrt]))
        for name in ("tf_efficientnet_lite0", "test_resnet", "test_nfnet", "test_vit")
    ),
]


@pytest.fixture
def frames(contract):
    rng = np.random.default_rng(0)
    return [
        Frame(
            i,
            tuple(rng.integers(0, 256, (c.height, c.width, 3), np.uint8) for c in contract.cameras),
            rng.normal(size=contract.proprioception_dim).astype(np.float32),
            {},
        )
        for i in range(3)
    ]


def small(name: str) -> Backbone:
    torch.manual_seed(0)
    model = timm.create_model(name)
    awake(model)
    return Backbone(name, find_family(name, model), model, "random")


def write_tasks(folder, backbone, contract, config, number=3):
    """Bundles of one shape and as many tasks, each with weights of its own."""
    paths = [folder / f"task{i}.safetensors" for i in range(number)]
    for i, path in enumerate(paths):
        bundle = write_bundle(path, backbone, contract, config)
        _, tensors = load_bundle(path)
        generator = torch.Generator().manual_seed(i)
        changed = {n: t + 0.05 * torch.rand(t.shape, generator=generator) for n, t in tensors.items()}
        save_bundle(path, bundle, changed)
    return paths


@pytest.mark.parametrize(("name", "size", "runtime", "bound"), LARGEST_DIFFERENCE)
def test_actions_agree_with_torch_also_after_switches_of_task(
    tmp_path, lite0, contract, config, frames, name, size, runtime, bound, monkeypatch
):
    config = dataclasses.replace(config, image_size=size)
    backbone = lite0 if name == lite0.name else small(name)
    compiled = []
    for module, make in ((runtimes_openvino, "compile_graph"), (runtimes_onnx, "make_session")):
        original = getattr(module, make)
        monkeypatch.setattr(module, make, lambda *a, original=original: compiled.append(a) or original(*a))
    paths = write_tasks(tmp_path, backbone, contract, config)
    device = "cpu" if runtime in ("openvino", "onnxruntime") else "cuda"
    fast = [load_policy(path, device, backbone, runtime=runtime) for path in paths]
    reference = [load_policy(path, device, backbone) for path in paths]
    limits = np.array(contract.action.limits)
    answers = []
    try:
        for task in (0, 1, 2, 0, 2):
            expected = np.array([reference[task].act(f) for f in frames])
            found = np.array([fast[task].act(f) for f in frames])
            assert (np.abs(found - expected) <= bound * limits).all()
            answers.append(expected)
    finally:
        backbone.to(CPU)  # others use it too
    assert np.abs(answers[0] - answers[1]).max() > bound  # tasks differ by more than runtimes do
    assert len(compiled) == (runtime != "cuda_graph")  # one graph for all tasks


@pytest.mark.parametrize(
    "runtime",
    [
        pytest.param("openvino", marks=needs_openvino),
        pytest.param("onnxruntime", marks=needs_onnx),
        pytest.param("cuda_graph", marks=needs_gpu),
    ],
)
def test_batch_is_its_frames_one_by_one(bundle_path, frames, runtime):
    fast = load_policy(bundle_path, "cuda" if runtime == "cuda_graph" else "cpu", runtime=runtime)
    assert fast.runtime == runtime
    np.testing.assert_array_equal(fast.act_batch(frames), [fast.act(f) for f in frames])


@needs_openvino
def test_backbone_and_its_graphs_are_let_go_of_together(bundle_path):
    from lossless_ros.models.runtimes import registry as runtimes

    gc.collect()
    before = len(runtimes._graphs)
    fast = load_policy(bundle_path, "cpu", runtime="openvino")
    assert len(runtimes._graphs) == before + 1
    del fast
    gc.collect()
    assert len(runtimes._graphs) == before


@needs_openvino
def test_auto_is_a_cuda_graph_on_a_gpu_and_openvino_on_a_cpu():
    assert find_runtime("auto", GPU) == "cuda_graph"
    assert find_runtime("auto", CPU) == "openvino"


def test_without_openvino_auto_is_torch_and_asking_for_it_one_line(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert find_runtime("auto", CPU) == "torch"
    with pytest.raises(LosslessError, match="openvino is not installed; run: pip install openvino"):
        find_runtime("openvino", CPU)
    with pytest.raises(
        LosslessError, match="tensorrt is not installed; run: pip install onnxruntime-gpu onnx onnxscript"
    ):
        find_runtime("tensorrt", GPU)


@pytest.mark.parametrize(
    ("name", "device", "line"),
    [
        ("warp", CPU, "unknown runtime 'warp'; known: auto, cuda_graph, onnxruntime, openvino, tensorrt, torch"),
        ("cuda_graph", CPU, "runtime cuda_graph runs on cuda, not on cpu; use runtime torch there"),
        pytest.param("tensorrt", CPU, "runtime tensorrt runs on cuda, not on cpu", marks=needs_onnx),
        pytest.param("openvino", GPU, "runtime openvino runs on cpu, not on cuda", marks=needs_openvino),
    ],
)
def test_runtime_that_is_not_there_is_one_line(name, device, line):
    with pytest.raises(LosslessError, match=line):
        find_runtime(name, device)


def test_half_precision_is_for_gpus():
    assert find_precision("auto", "cuda_graph") == find_precision("float16", "tensorrt") == "float16"
    assert find_precision("auto", "tensorrt") == "float32"
    assert find_precision("auto", "openvino") == "float32"
    assert find_precision("float32", "cuda_graph") == "float32"
    with pytest.raises(LosslessError, match="runtime openvino computes in float32"):
        find_precision("float16", "openvino")
    with pytest.raises(LosslessError, match="unknown precision 'float7'"):
        find_precision("float7", "torch")


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (lambda run, images, felt: 1.2 * run(images, felt).abs().clamp(min=1), "off by"),
        (lambda run, images, felt: run(images, felt) * np.nan, "not finite"),
        (lambda run, images, felt: run(images, felt + 5), "off by"),
        (lambda run, images, felt: run(1 - images, felt), "off by"),
    ],
)
@pytest.mark.parametrize("loud", [False, True])
def test_runtime_whose_actions_are_not_torchs_is_refused(
    tmp_path, lite0, contract, config, monkeypatch, wrong, what, loud
):
    (path,) = write_tasks(tmp_path, lite0, contract, config, 1)
    if loud:  # all actions are at their limits
        bundle, tensors = load_bundle(path)
        save_bundle(path, bundle, {n: 50 * t if n.startswith("head.") else t for n, t in tensors.items()})
    precisions = []

    def make(name, precision, network, backbone):
        run = make_runtime("torch", "float32", network, backbone)
        if name == "torch":
            return run
        precisions.append(precision)
        off = name == "openvino" or precision == "float16"
        return (lambda images, felt: wrong(run, images, felt)) if off else run

    monkeypatch.setattr(policy, "make_runtime", make)
    monkeypatch.setattr(policy, "find_runtime", lambda name, device: name)
    line = f"with runtime cuda_graph in float16 actions are {what}.*; use precision float32"
    with pytest.raises(LosslessError, match=line):
        load_policy(path, "cpu", lite0, runtime="cuda_graph", precision="float16")
    assert load_policy(path, "cpu", lite0, runtime="cuda_graph").precision == "float32"
    assert precisions == ["float16", "float16", "float32"]
    with pytest.raises(
        LosslessError, match=f"with runtime openvino in float32 actions are {what}.*; use runtime torch"
    ):
        load_policy(path, "cpu", lite0, runtime="openvino")


@needs_gpu
def test_half_precision_that_overflows_gives_way_to_single(tmp_path, contract, config, frames):
    backbone = small("test_resnet")
    (path,) = write_tasks(tmp_path, backbone, contract, config, 1)
    bundle, tensors = load_bundle(path)
    loudest = [name for name in tensors if name.startswith("adapters.") and name.endswith("up.weight")][-1]
    save_bundle(path, bundle, tensors | {loudest: 1e6 * tensors[loudest]})
    with pytest.raises(LosslessError, match="cuda_graph in float16 actions are not finite; use precision float32"):
        load_policy(path, "cuda", backbone, runtime="cuda_graph", precision="float16")
    fast = load_policy(path, "cuda", backbone, runtime="cuda_graph")
    assert fast.precision == "float32"
    np.testing.assert_allclose(fast.act(frames[0]), load_policy(path, "cuda", backbone).act(frames[0]), atol=1e-4)


@needs_onnx
def test_onnx_runtime_without_what_is_asked_of_it_is_one_line(bundle_path, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["AzureExecutionProvider"])
    with pytest.raises(LosslessError, match="needs ONNX Runtime's CPUExecutionProvider and its libraries; here are Az"):
        load_policy(bundle_path, "cpu", runtime="onnxruntime")


@pytest.mark.parametrize(
    "runtime", [pytest.param("openvino", marks=needs_openvino), pytest.param("onnxruntime", marks=needs_onnx)]
)
def test_policies_with_backbones_of_their_own_share_a_graph_and_no_weights(tmp_path, contract, config, frames, runtime):
    backbone = small("test_efficientnet")
    config = dataclasses.replace(config, placements=(), trainable_backbone="pretrained")
    for path in write_tasks(tmp_path, backbone, contract, config, 2):
        found = load_policy(path, "cpu", backbone, runtime=runtime).act(frames[0])
        expected = load_policy(path, "cpu", backbone).act(frames[0])
        np.testing.assert_allclose(found, expected, atol=1e-4)
