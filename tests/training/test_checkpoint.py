import hashlib
import json
from dataclasses import asdict, replace

import pytest
import torch

from lossless_ros.errors import LosslessError
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.checkpoint import FORMAT_VERSION, RunIdentity, checkpoint_path
from lossless_ros.training.hyperparameters import ADDED, RENAMED, STORED
from tests.support.interruption import train_until

OLD_PARTS = {"depthwise": "near", "proj": "mix"}


@pytest.fixture
def identity(hyperparameters) -> RunIdentity:
    return RunIdentity("top", "backbone", "fingerprint", "training", "held_out", "{}", "", hyperparameters)


def test_checkpoint_carries_its_format(job):
    train_until(5, job)
    assert torch.load(checkpoint_path(job.out), weights_only=True)["format"] == FORMAT_VERSION == 2


@pytest.mark.parametrize("field", ["mode", "fingerprint", "training_key", "held_out_key", "contract", "init_hash"])
def test_identity_depends_on_every_part(identity, field):
    changed = replace(identity, **{field: "other"})
    assert changed.digest() != identity.digest()
    assert changed.digest(version=1) != identity.digest(version=1)


def test_identity_depends_on_the_hyperparameters(identity, hyperparameters):
    changed = replace(identity, hyperparameters=replace(hyperparameters, batch_size=5))
    assert changed.digest() != identity.digest()
    assert changed.digest(version=1) != identity.digest(version=1)


def test_identity_of_version_1_hashes_the_old_names(identity, hyperparameters):
    parts = ["top", "backbone", "fingerprint", "training", "held_out", "{}", ""]
    text = json.dumps([*parts, hyperparameters.under_old_names()], sort_keys=True)
    assert identity.digest(version=1) == hashlib.sha256(text.encode()).hexdigest()


def test_hyperparameters_have_their_old_names_in_version_1(hyperparameters):
    old = hyperparameters.under_old_names()
    expected = {key: value for key, value in asdict(hyperparameters).items() if key not in {**ADDED, **STORED}}
    assert {RENAMED.get(key, key): value for key, value in old.items()} == expected
    assert set(RENAMED) <= set(old)


def old_tensor_name(name: str) -> str:
    """Return the name of a tensor in version 0.1.0."""
    if name.startswith("trainable_backbone."):
        return name.replace("trainable_backbone.", "own.", 1)
    return ".".join(OLD_PARTS.get(part, part) for part in name.split("."))


def write_as_version_1(path, digest: str) -> None:
    """Rewrite a checkpoint as version 0.1.0 wrote it."""
    state = torch.load(path, weights_only=True)
    tensors = {
        old: {old_tensor_name(name): tensor for name, tensor in state[new].items()}
        for old, new in (("network", "network"), ("mean", "ema"))
    }
    kept = {key: state[key] for key in ("step", "elapsed", "phase", "curve")}
    torch.save({"run": digest, **kept, **tensors, "optimiser": state["optimizer"]}, path)


@pytest.mark.parametrize("mode", ["adapters", "full"])
def test_checkpoint_of_version_1_resumes(job, hyperparameters, tmp_path, monkeypatch, mode):
    changed = replace(hyperparameters, ema_decay=0.8, kernel_size=3, head_warmup_steps=3)
    job = replace(job, mode=mode, hyperparameters=changed)
    whole = train(job)["bundle_hash"]
    killed = replace(job, out=tmp_path / "killed.safetensors")
    digests = []
    digest = RunIdentity.digest
    with monkeypatch.context() as patch:
        patch.setattr(RunIdentity, "digest", lambda run: digests.append(digest(run, 1)) or digest(run))
        train_until(5, killed)
    write_as_version_1(checkpoint_path(killed.out), digests[0])
    old = torch.load(checkpoint_path(killed.out), weights_only=True)
    assert any(name.startswith("top.mix.") for name in old["network"])
    assert any(".near." in name for name in old["network"]) == (mode == "adapters")
    assert any(name.startswith("own.") for name in old["network"]) == (mode == "full")
    assert train(replace(killed, resume=True))["bundle_hash"] == whole


def test_resume_names_what_is_wrong(job):
    job = replace(job, resume=True)
    with pytest.raises(LosslessError, match="nothing to resume: no checkpoint"):
        train(job)
    torch.save({"run": "other"}, checkpoint_path(job.out))
    with pytest.raises(LosslessError, match="other data, backbone, mode or settings"):
        train(job)
    torch.save({"format": 3, "run": "other"}, checkpoint_path(job.out))
    with pytest.raises(LosslessError, match="has checkpoint format 3, this version reads up to 2; update lossless_ros"):
        train(job)
    checkpoint_path(job.out).write_bytes(b"PK")
    with pytest.raises(LosslessError, match="is damaged"):
        train(job)
