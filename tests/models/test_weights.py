"""Weights from files: any layout of a checkpoint, and one line for what does not fit."""

import re

import pytest
import timm
import torch
from safetensors.torch import save_file

from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import load_backbone
from tests.support.policies import randomize_parameters

NAME = "test_resnet"


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    model = timm.create_model(NAME)
    randomize_parameters(model)
    return model.state_dict()


def without_classifier(state):
    return {n: t for n, t in state.items() if not n.startswith("fc.")}


def numbered_layers(state):
    numbers = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
    return {re.sub(r"^\w+", lambda m: str(numbers[m[0]]), n): t for n, t in without_classifier(state).items()}


def prefixed(prefix, state):
    return {f"{prefix}{n}": t for n, t in state.items()}


PROJECTION = {"projector.0.weight": torch.zeros(4, 4), "predictor.0.weight": torch.zeros(4, 4)}
LAYOUTS = {
    "backbone alone": without_classifier,
    "with projection head": lambda s: {
        "state_dict": {**prefixed("backbone.", without_classifier(s)), **PROJECTION},
        "epoch": 3,
    },
    "data parallel": lambda s: {"state_dict": prefixed("module.", without_classifier(s))},
    "online and target": lambda s: {
        "model": {
            **prefixed("module.online_encoder.net.", without_classifier(s)),
            **prefixed(
                "module.target_encoder.net.", {n: torch.zeros_like(t) for n, t in without_classifier(s).items()}
            ),
        }
    },
    "numbered layers": lambda s: {
        "online_network_state_dict": {**prefixed("encoder.", numbered_layers(s)), **PROJECTION}
    },
    "head in place of the classifier": lambda s: {**without_classifier(s), "fc.0.weight": torch.zeros(4, 4)},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_backbone_is_found_in_checkpoints_of_any_layout(state, tmp_path, layout):
    torch.save(LAYOUTS[layout](state), tmp_path / "byol.pth")
    backbone = load_backbone(NAME, tmp_path / "byol.pth")
    loaded = backbone.model.state_dict()
    assert loaded.keys() == without_classifier(state).keys()
    assert all(torch.equal(loaded[n], state[n]) for n in loaded)


def test_classifier_in_the_file_is_loaded(state, tmp_path):
    save_file(state, tmp_path / "w.safetensors")
    backbone = load_backbone(NAME, tmp_path / "w.safetensors")
    assert torch.equal(backbone.model.fc.weight, state["fc.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.update({"bn1.weight": torch.zeros(7)}),
            r"tensor bn1.weight is \(7,\), expected \(\d+,\) of test_r",
        ),
        (lambda s: s.pop("layer2.0.conv1.weight"), r"tensor layer2.0.conv1.weight is none, expected \(.*\) of test_r"),
        (lambda s: s.update({"layer4.9.x": torch.zeros(2)}), r"layer4.9.x is \(2,\), expected none of test_resnet"),
    ],
)
def test_file_of_another_architecture_is_a_one_line_error(state, tmp_path, change, message):
    changed = dict(state)
    change(changed)
    save_file(changed, tmp_path / "w.safetensors")
    with pytest.raises(LosslessError, match=message) as error:
        load_backbone(NAME, tmp_path / "w.safetensors")
    assert "\n" not in str(error.value)


def test_pickle_with_code_is_refused(tmp_path):
    torch.save({"a": print}, tmp_path / "w.pth")
    with pytest.raises(LosslessError, match="not a checkpoint of tensors"):
        load_backbone(NAME, tmp_path / "w.pth")


def test_missing_file_and_missing_permission_are_errors_with_advice(tmp_path, monkeypatch):
    monkeypatch.delenv("LOSSLESS_ALLOW_HUB", raising=False)
    with pytest.raises(LosslessError, match="no such file"):
        load_backbone(NAME, tmp_path / "none.safetensors")
    with pytest.raises(LosslessError, match="give --weights FILE .*or --allow-hub"):
        load_backbone("resnet50.a1_in1k")
    with pytest.raises(LosslessError, match="which is gone; give --weights FILE"):
        load_backbone(NAME, recorded_source=f"file {tmp_path / 'gone.pth'}")


def test_environment_variable_names_the_file(state, tmp_path, monkeypatch):
    save_file(state, tmp_path / "w.safetensors")
    monkeypatch.setenv("LOSSLESS_WEIGHTS", str(tmp_path / "w.safetensors"))
    gone = f"file {tmp_path / 'gone.pth'}"
    assert load_backbone(NAME, recorded_source=gone).source == f"file {tmp_path / 'w.safetensors'}"
