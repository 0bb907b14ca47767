"""Every runtime against torch, the reference: the same actions up to the differences stated here."""

import dataclasses
import importlib.util

import numpy as np
import pytest
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models import policy
from lossless_ros.models.bundle import load_bundle, save_bundle
from lossless_ros.models.policy import load_policy
from lossless_ros.models.runtimes import onnx, openvino, registry
from lossless_ros.models.runtimes.registry import find_precision, find_runtime, make_runtime
from tests.support.gpu import needs_gpu
from tests.support.policies import random_backbone, write_bundle


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


@dataclasses.dataclass(frozen=True)
class Case:
    """A runtime on a backbone, and how far its actions may be from torch's."""

    backbone: str
    image_size: int  # [px]
    runtime: str
    bound: float  # of an action component, relative to its limit
    top: str = "grid"
    pooling: str = "mean"  # another one is without a top adapter


ON_CPU = [
    ("tf_efficientnet_lite0", 64, 1e-4),  # backbone, image size [px], bound for OpenVINO
    ("test_resnet", 64, 1e-4),
    ("test_nfnet", 64, 1e-4),
    ("test_vit", 160, 1e-4),
    ("test_vit", 64, 5e-3),  # resampled position embedding
]
ON_GPU = ["tf_efficientnet_lite0", "test_resnet", "test_nfnet", "test_vit"]
KEYPOINTS_ON_CPU = [
    ("tf_efficientnet_lite0", 128, 1e-4),
    ("test_resnet", 48, 1e-4),
    ("test_vit", 160, 1e-4),
]
CASES = (
    [pytest.param(Case(name, size, "openvino", bound), marks=needs_openvino) for name, size, bound in ON_CPU]
    + [pytest.param(Case(name, 64, "onnxruntime", 1e-4), marks=needs_onnx) for name in ("test_nfnet", "test_vit")]
    + [
        pytest.param(Case(name, size, runtime, bound, "keypoints"), marks=needed)
        for name, size, bound in KEYPOINTS_ON_CPU
        for runtime, needed in (("openvino", needs_openvino), ("onnxruntime", needs_onnx))
    ]
    + [
        pytest.param(Case("tf_efficientnet_lite0", 128, runtime, 1e-4, pooling="spatial_softmax"), marks=needed)
        for runtime, needed in (("openvino", needs_openvino), ("onnxruntime", needs_onnx))
    ]
    + [pytest.param(Case(name, 64, "cuda_graph", 5e-2), marks=needs_gpu) for name in ON_GPU]
    + [pytest.param(Case(name, 64, "cuda_graph", 5e-2, "keypoints"), marks=needs_gpu) for name in ON_GPU]
    + [pytest.param(Case(name, 64, "tensorrt", 5e-2), marks=[needs_gpu, needs_tensorrt]) for name in ON_GPU]
)


@pytest.fixture
def compiled(monkeypatch) -> list[str]:
    """Collect the name of every graph compiler that is called."""
    calls: list[str] = []
    for module, name in ((openvino, "compile_graph"), (onnx, "make_session")):
        monkeypatch.setattr(module, name, counted(getattr(module, name), calls))
    return calls


def counted(function, calls):
    def call(*args):
        calls.append(function.__name__)
        return function(*args)

    return call


def write_tasks(folder, backbone, contract, config, number=3):
    """Write bundles of the same shapes for several tasks, each with its own weights."""
    paths = [folder / f"task{i}.safetensors" for i in range(number)]
    for i, path in enumerate(paths):
        bundle = write_bundle(path, backbone, contract, config)
        _, tensors = load_bundle(path)
        generator = torch.Generator().manual_seed(i)
        changed = {n: t + 0.05 * torch.rand(t.shape, generator=generator) for n, t in tensors.items()}
        save_bundle(path, bundle, changed)
    return paths


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.runtime}-{case.backbone}-{case.image_size}-{case.top}-{case.pooling}"
)
def test_actions_agree_with_torch_also_after_switching_tasks(tmp_path, lite0, contract, config, frames, case, compiled):
    config = dataclasses.replace(config, image_size=case.image_size, top=case.top, pooling=case.pooling)
    if case.pooling != "mean":
        config = dataclasses.replace(config, placements=("bottom", "middle"))
    backbone = lite0 if case.backbone == lite0.name else random_backbone(case.backbone)
    paths = write_tasks(tmp_path, backbone, contract, config)
    device = "cpu" if case.runtime in ("openvino", "onnxruntime") else "cuda"
    fast = [load_policy(path, device, backbone, runtime=case.runtime) for path in paths]
    reference = [load_policy(path, device, backbone) for path in paths]
    limits = np.array(contract.action.limits)
    actions = []
    try:
        for task in (0, 1, 2, 0, 2):
            expected = np.array([reference[task].act(f) for f in frames])
            given = np.array([fast[task].act(f) for f in frames])
            assert (np.abs(given - expected) <= case.bound * limits).all()
            actions.append(expected)
    finally:
        backbone.to(CPU)  # other tests share it
    assert np.abs(actions[0] - actions[1]).max() > case.bound  # tasks differ by more than runtimes do
    assert len(compiled) == (case.runtime != "cuda_graph")  # one graph for all tasks


@pytest.mark.parametrize(
    "runtime",
    [
        pytest.param("openvino", marks=needs_openvino),
        pytest.param("onnxruntime", marks=needs_onnx),
        pytest.param("cuda_graph", marks=needs_gpu),
    ],
)
def test_batch_equals_its_frames_one_by_one(bundle_path, frames, runtime):
    fast = load_policy(bundle_path, "cuda" if runtime == "cuda_graph" else "cpu", runtime=runtime)
    assert fast.runtime == runtime
    np.testing.assert_array_equal(fast.act_batch(frames), [fast.act(f) for f in frames])


@needs_openvino
def test_a_graph_is_compiled_once_for_all_backbones_with_the_same_weights(bundle_path, monkeypatch):
    """Torch keeps the memory of every trace: a node that is configured again and again would grow."""
    from lossless_ros.models.runtimes import openvino

    load_policy(bundle_path, "cpu", runtime="openvino")
    monkeypatch.setattr(openvino, "compile_graph", lambda network, backbone: pytest.fail("compiled again"))
    load_policy(bundle_path, "cpu", runtime="openvino")
    assert len(registry._openvino_graphs) <= registry._MAX_OPENVINO_GRAPHS


@needs_openvino
def test_auto_is_cuda_graph_on_a_gpu_and_openvino_on_a_cpu():
    assert find_runtime("auto", GPU) == "cuda_graph"
    assert find_runtime("auto", CPU) == "openvino"


def test_without_openvino_auto_is_torch_and_choosing_openvino_is_an_error(monkeypatch):
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
def test_unknown_or_unsuitable_runtime_is_a_one_line_error(name, device, line):
    with pytest.raises(LosslessError, match=line):
        find_runtime(name, device)


def test_half_precision_is_for_gpus():
    assert find_precision("auto", "cuda_graph") == "float16"
    assert find_precision("float16", "tensorrt") == "float16"
    assert find_precision("auto", "tensorrt") == "float32"
    assert find_precision("auto", "openvino") == "float32"
    assert find_precision("float32", "cuda_graph") == "float32"
    with pytest.raises(LosslessError, match="runtime openvino computes in float32"):
        find_precision("float16", "openvino")
    with pytest.raises(LosslessError, match="unknown precision 'float7'"):
        find_precision("float7", "torch")


@pytest.mark.parametrize(
    ("corrupt", "what"),
    [
        (lambda run, images, proprio: 1.2 * run(images, proprio).abs().clamp(min=1), "off by"),
        (lambda run, images, proprio: run(images, proprio) * np.nan, "not finite"),
        (lambda run, images, proprio: run(images, proprio + 5), "off by"),
        (lambda run, images, proprio: run(1 - images, proprio), "off by"),
    ],
)
@pytest.mark.parametrize("saturated", [False, True])
def test_runtime_that_disagrees_with_torch_is_refused(
    tmp_path, lite0, contract, config, monkeypatch, corrupt, what, saturated
):
    (path,) = write_tasks(tmp_path, lite0, contract, config, 1)
    if saturated:  # all actions are at their limits
        bundle, tensors = load_bundle(path)
        save_bundle(path, bundle, {n: 50 * t if n.startswith("head.") else t for n, t in tensors.items()})
    precisions = []

    def make(name, precision, network, backbone):
        run = make_runtime("torch", "float32", network, backbone)
        if name == "torch":
            return run
        precisions.append(precision)
        corrupted = name == "openvino" or precision == "float16"
        return (lambda images, proprio: corrupt(run, images, proprio)) if corrupted else run

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
def test_auto_falls_back_to_float32_where_float16_overflows(tmp_path, contract, config, frames):
    backbone = random_backbone("test_resnet")
    (path,) = write_tasks(tmp_path, backbone, contract, config, 1)
    bundle, tensors = load_bundle(path)
    last_up = [name for name in tensors if name.startswith("adapters.") and name.endswith("up.weight")][-1]
    save_bundle(path, bundle, tensors | {last_up: 1e6 * tensors[last_up]})
    with pytest.raises(LosslessError, match="cuda_graph in float16 actions are not finite; use precision float32"):
        load_policy(path, "cuda", backbone, runtime="cuda_graph", precision="float16")
    fast = load_policy(path, "cuda", backbone, runtime="cuda_graph")
    assert fast.precision == "float32"
    np.testing.assert_allclose(fast.act(frames[0]), load_policy(path, "cuda", backbone).act(frames[0]), atol=1e-4)


@needs_onnx
def test_onnx_runtime_without_the_required_provider_is_a_one_line_error(bundle_path, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["AzureExecutionProvider"])
    with pytest.raises(
        LosslessError, match="needs ONNX Runtime's CPUExecutionProvider and its libraries; available: Az"
    ):
        load_policy(bundle_path, "cpu", runtime="onnxruntime")


@pytest.mark.parametrize(
    "runtime", [pytest.param("openvino", marks=needs_openvino), pytest.param("onnxruntime", marks=needs_onnx)]
)
def test_policies_with_trainable_backbones_share_a_graph_but_no_weights(tmp_path, contract, config, frames, runtime):
    backbone = random_backbone("test_efficientnet")
    config = dataclasses.replace(config, placements=(), trainable_backbone="pretrained")
    for path in write_tasks(tmp_path, backbone, contract, config, 2):
        found = load_policy(path, "cpu", backbone, runtime=runtime).act(frames[0])
        expected = load_policy(path, "cpu", backbone).act(frames[0])
        np.testing.assert_allclose(found, expected, atol=1e-4)
