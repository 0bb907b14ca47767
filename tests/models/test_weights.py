"""Weights from files: any layout of a checkpoint, and one line for what does not fit."""

import argparse
import collections
import fractions
import os
import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import load_backbone
from lossless_ros.models.foreign_names import translate
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


class Settings:
    """What a pickle of it would do if its class were looked up and called."""

    def __reduce__(self):
        return Path.touch, (Path(os.environ["TOUCHED"]),)


SAVED_WITH = {
    "argparse": lambda: argparse.Namespace(lr=1e-3, nested=argparse.Namespace(a=[1])),
    "numpy": lambda: np.float64(0.7),
    "array": lambda: np.zeros(3),
    "class": lambda: fractions.Fraction(1, 2),
    "harmful": Settings,
    "container": lambda: collections.Counter("abc"),
}


@pytest.mark.parametrize("what", SAVED_WITH)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_objects_beside_the_tensors_are_skipped_and_not_executed(state, tmp_path, monkeypatch, what, legacy):
    monkeypatch.setenv("TOUCHED", str(tmp_path / "touched"))
    file = tmp_path / "w.pth"
    content = {"model": state, "args": SAVED_WITH[what](), "epoch": 3}
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    loaded = load_backbone(NAME, file).model.state_dict()
    assert all(torch.equal(loaded[n], state[n]) for n in loaded)
    assert not (tmp_path / "touched").exists()


def test_pickle_with_code_alone_is_refused(tmp_path):
    torch.save({"a": print}, tmp_path / "w.pth")
    with pytest.raises(LosslessError, match="expected a mapping from names to tensors"):
        load_backbone(NAME, tmp_path / "w.pth")


def test_format_is_told_by_the_content(state, tmp_path):
    save_file(state, tmp_path / "w.bin")
    torch.save(state, tmp_path / "w.safetensors")
    for name in ("w.bin", "w.safetensors"):
        assert torch.equal(load_backbone(NAME, tmp_path / name).model.fc.weight, state["fc.weight"])
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "script.pt")
    with pytest.raises(LosslessError, match="script.pt is a TorchScript archive; save its tensors alone: torch.save"):
        load_backbone(NAME, tmp_path / "script.pt")


def changed(state):
    return {n: t + 1 if t.is_floating_point() else t for n, t in state.items()}


TWO_NETWORKS = {
    "MoCo": ("module.encoder_q.", "module.encoder_k."),
    "MoCo in layers": ("encoder_q.0.", "encoder_k.0."),
    "MoCo v3": ("module.base_encoder.", "module.momentum_encoder."),
    "DINO": ("teacher.backbone.", "student.backbone."),
    "model and teacher": ("model_teacher.", "model_student."),
    "BYOL": ("online_encoder.net.", "target_encoder.net."),
    "momentum": ("encoder.", "momentum_encoder."),
}


@pytest.mark.parametrize("method", TWO_NETWORKS)
@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_network_that_the_method_means_is_loaded(state, tmp_path, method, nested):
    """The key encoder, the student and the target are only there to train the other one."""
    state = without_classifier(state)
    meant, other = TWO_NETWORKS[method]
    content = {**prefixed(other, changed(state)), **prefixed(meant, state)}
    if nested:
        content = {meant.rstrip("."): state, other.rstrip("."): changed(state), "optimizer": {"state": {0: {"m": 1}}}}
    torch.save({"state_dict": content}, tmp_path / "w.pth")
    loaded = load_backbone(NAME, tmp_path / "w.pth").model.state_dict()
    assert all(torch.equal(loaded[n], state[n]) for n in loaded)


@pytest.mark.parametrize(
    ("first", "second"), [("state_dict", "state_dict_ema"), ("critic", "policy"), ("a.net", "b.net")]
)
def test_several_networks_are_refused_with_the_choices(state, tmp_path, first, second):
    state, file = without_classifier(state), tmp_path / "w.pth"
    torch.save({first: state, second: changed(state)}, file)
    with pytest.raises(LosslessError, match=rf"several networks that fit; choose .*: w.pth#{first}, w.pth#{second}$"):
        load_backbone(NAME, file)
    for name, weight in ((first, state["bn1.weight"]), (second, changed(state)["bn1.weight"])):
        chosen = load_backbone(NAME, Path(f"{file}#{name}"))
        assert torch.equal(chosen.model.bn1.weight, weight)
        again = load_backbone(NAME, recorded_source=chosen.source)
        assert again.fingerprint == chosen.fingerprint
    with pytest.raises(LosslessError, match=f"no network 'x'; its tensors begin with: {first.split('.')[0]}"):
        load_backbone(NAME, Path(f"{file}#x"))
    torch.save({first: state, second: dict(state)}, file)  # the same twice is no choice
    load_backbone(NAME, file)


def vit_state(name):
    torch.manual_seed(0)
    return {n: torch.randn_like(t) for n, t in timm.create_model(name).state_dict().items()}


def as_openai(state):
    names = (
        ("patch_embed.proj", "conv1"),
        ("norm_pre", "ln_pre"),
        ("blocks.", "transformer.resblocks."),
        (".norm1", ".ln_1"),
        (".norm2", ".ln_2"),
        ("attn.qkv.", "attn.in_proj_"),
        ("attn.proj", "attn.out_proj"),
        ("mlp.fc1", "mlp.c_fc"),
        ("mlp.fc2", "mlp.c_proj"),
    )
    out = {"transformer.resblocks.0.ln_1.weight": torch.zeros(3)}  # of the text
    for name, tensor in state.items():
        if name.startswith("head."):
            continue
        new = "ln_post" + name.removeprefix("norm") if name.startswith("norm.") else name
        for ours, theirs in names:
            new = new.replace(ours, theirs)
        if name == "cls_token":
            new, tensor = "class_embedding", tensor[0, 0]
        if name == "pos_embed":
            new, tensor = "positional_embedding", tensor[0]
        out[f"visual.{new}"] = tensor
    return {**out, "visual.proj": state["head.weight"].T}


def as_hugging_face(state):
    names = (
        ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
        ("blocks.", "encoder.layer."),
        ("norm1", "layernorm_before"),
        ("norm2", "layernorm_after"),
        ("attn.proj", "attention.output.dense"),
        ("mlp.fc1", "intermediate.dense"),
        ("mlp.fc2", "output.dense"),
    )
    out = {}
    for name, tensor in state.items():
        new = name.replace("norm.", "layernorm.") if name.startswith("norm.") else name
        for ours, theirs in names:
            new = new.replace(ours, theirs)
        new = {"cls_token": "embeddings.cls_token", "pos_embed": "embeddings.position_embeddings"}.get(new, new)
        if "attn.qkv" in new:
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            out |= {f"vit.{new.replace('attn.qkv', f'attention.attention.{part}')}": t for part, t in parts}
        elif new.startswith("head."):
            out[new.replace("head", "classifier")] = tensor
        else:
            out[f"vit.{new}"] = tensor
    return out


@pytest.mark.parametrize("prefix", ["", "module."])
def test_names_of_hugging_face_are_converted(tmp_path, prefix):
    state = vit_state("test_vit")
    torch.save({"state_dict": prefixed(prefix, as_hugging_face(state))}, tmp_path / "w.pth")
    loaded = load_backbone("test_vit", tmp_path / "w.pth").model.state_dict()
    assert all(torch.equal(loaded[n], t) for n, t in state.items())


def test_names_of_openais_clip_are_converted(tmp_path):
    """CLIP's patches have no bias, so this model cannot take them: the line says whose names they were."""
    state = vit_state("test_vit")
    del state["patch_embed.proj.bias"]
    state["head.bias"].zero_()
    theirs = as_openai(state)
    translated, origin = translate(theirs)
    assert origin == "OpenAI's CLIP"
    assert all(torch.equal(translated[n], t) for n, t in state.items())
    torch.save(theirs, tmp_path / "w.pth")
    with pytest.raises(LosslessError, match="patch_embed.proj.bias is none, .* from OpenAI's CLIP names"):
        load_backbone("test_vit", tmp_path / "w.pth")


def test_registers_of_dinov2_get_timms_form():
    tensors = {
        "cls_token": torch.ones(1, 1, 4),
        "pos_embed": torch.arange(20.0).reshape(1, 5, 4),
        "register_tokens": torch.zeros(1, 2, 4),
    }
    translated, origin = translate(tensors)
    assert origin == "DINOv2's" and translated["pos_embed"].shape == (1, 4, 4)
    assert torch.equal(translated["cls_token"][0, 0], torch.arange(4.0) + 1)


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
