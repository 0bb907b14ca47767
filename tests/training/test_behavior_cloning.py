import dataclasses
import itertools
import json
import resource
import time

import pytest
import torch

from lossless_ros.contract import Robot
from lossless_ros.episodes.reader import read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.verify import verify
from lossless_ros.models.backbones import load_backbone
from lossless_ros.models.bundle import load_bundle, read_bundle, save_bundle
from lossless_ros.models.policy import load_policy
from lossless_ros.paths import cache_dir
from lossless_ros.training import trainer as run
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.checkpoint import checkpoint_path
from lossless_ros.training.hyperparameters import BACKBONE_INIT, MODES
from tests.support.gpu import needs_gpu
from tests.training.conftest import record

LITE0 = "tf_efficientnet_lite0"


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_gives_a_bundle_that_acts_and_is_proved(episodes, contract, config, tmp_path, mode):
    out = tmp_path / f"{mode}.safetensors"
    result = train([episodes], LITE0, mode, out, config, contract)
    bundle = read_bundle(out)
    assert json.loads(json.dumps(result)) == result
    assert (bundle.task, bundle.mode, bundle.hash) == ("rgb_stacking/triplet1", mode, result["bundle_hash"])
    assert result["steps"] == config.steps
    assert result["parameters"]["adapters"] <= 0.012 * result["parameters"]["backbone"]
    assert (result["parameters"]["adapters"] > 0) == bool({"bottom", "middle"} & set(MODES[mode]))
    assert result["data"]["episodes"] == 3 and result["data"]["held_out_episodes"] == 1
    policy = load_policy(out)
    policy.warm_up(1)
    proof = verify(out, backbone=policy.backbone)
    assert proof["ok"] == (mode not in BACKBONE_INIT)
    assert (proof["bundle_share"] > 1) == (mode in BACKBONE_INIT)
    assert not checkpoint_path(out).exists()


@pytest.mark.parametrize("mode", BACKBONE_INIT)
def test_modes_that_change_the_backbone_change_a_copy_that_travels_in_the_bundle(
    episodes, contract, config, tmp_path, mode
):
    shared = load_backbone(LITE0)
    before = shared.model.state_dict()
    out = tmp_path / "b.safetensors"
    train([episodes], LITE0, mode, out, config, contract)
    policy, second = load_policy(out, "cpu", shared), load_policy(out, "cpu", shared)
    own = policy.network.trainable_backbone.model.state_dict()
    assert all(torch.equal(before[n], t) for n, t in shared.model.state_dict().items())
    assert not {t.data_ptr() for t in own.values()} & {
        t.data_ptr() for t in second.network.trainable_backbone.parameters()
    }
    kernels = [n for n in own if n.endswith("weight")]
    assert kernels and not any(torch.equal(own[n], before[n]) for n in kernels)
    statistics = [n for n in own if "running_" in n]
    assert all(torch.equal(own[n], before[n]) for n in statistics) == (mode == "full")
    assert not any("classifier" in n for n in own)
    assert not policy.network.trainable_backbone.model.training


def test_policies_with_their_own_backbones_share_a_graph_and_not_its_weights(episodes, contract, config, tmp_path):
    shared, out, other = load_backbone(LITE0), tmp_path / "b.safetensors", tmp_path / "other.safetensors"
    train([episodes], LITE0, "full", out, dataclasses.replace(config, steps=1), contract)
    bundle, tensors = load_bundle(out)
    save_bundle(other, bundle, {n: t * (0.9 if n.startswith("trainable_backbone.") else 1) for n, t in tensors.items()})
    frame = read_episode(episodes / "episode_0", contract).frames[0]
    actions = [
        load_policy(path, "cpu", shared, runtime=runtime).act(frame)
        for path in (out, other)
        for runtime in ("torch", "openvino")
    ]
    for torchs, openvinos in (actions[:2], actions[2:]):
        assert abs(torchs - openvinos).max() < 1e-5
    assert abs(actions[0] - actions[2]).max() > 1e-3


@pytest.mark.parametrize("mode", ["frozen", "adapters"])
def test_it_learns_what_the_pictures_show(episodes, contract, config, tmp_path, mode):
    steps = {"frozen": 300, "adapters": 24}[mode]
    config = dataclasses.replace(config, steps=steps, random_shift=0.0, batch_size=12)
    result = train([episodes], LITE0, mode, tmp_path / "b.safetensors", config, contract)
    first, last = result["curve"][0], result["curve"][-1]
    assert last["train_loss"] < 0.5 * first["held_out_loss"]
    assert last["held_out_loss"] < 0.8 * first["held_out_loss"]


def test_curve_has_what_a_picture_needs(episodes, contract, config, tmp_path):
    curve = train([episodes], LITE0, "adapters", tmp_path / "b.safetensors", config, contract)["curve"]
    assert [p["step"] for p in curve] == [0, 2, 4, 6]
    assert curve[0]["train_loss"] is None
    assert all(p["train_loss"] > 0 for p in curve[1:]) and all(p["held_out_loss"] > 0 for p in curve)
    assert set(curve[-1]["mae"]) == {"linear.x", "linear.y", "linear.z", "angular.z"}


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize("mode", ["top", "adapters", "scratch"])
def test_same_seed_gives_the_same_bundle_and_another_seed_another(episodes, contract, config, tmp_path, mode, device):
    config = dataclasses.replace(config, device=device)
    results = [
        train([episodes], LITE0, mode, tmp_path / f"{i}.safetensors", dataclasses.replace(config, seed=s), contract)
        for i, s in enumerate((0, 0, 1))
    ]
    hashes = [r["bundle_hash"] for r in results]
    assert hashes[0] == hashes[1] != hashes[2]


class Killed(Exception):
    pass


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize(
    ("mode", "head_start"), [("adapters", 0), ("adapters", 3), ("top", 0), ("full", 3), ("scratch", 3)]
)
def test_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(
    episodes, contract, config, tmp_path, mode, head_start, device
):
    config = dataclasses.replace(config, head_warmup_steps=head_start, device=device)
    whole = train([episodes], LITE0, mode, tmp_path / "whole.safetensors", config, contract)
    out = tmp_path / "killed.safetensors"

    def kill(percent: int, total: int, note: str) -> None:
        if note.startswith("step 5,"):
            raise Killed

    with pytest.raises(Killed):
        train([episodes], LITE0, mode, out, config, contract, on_progress=kill)
    assert checkpoint_path(out).is_file() and not out.exists()
    resumed = train([episodes], LITE0, mode, out, config, contract, resume=True)
    assert resumed["bundle_hash"] == whole["bundle_hash"]
    assert [p["step"] for p in resumed["curve"]] == [p["step"] for p in whole["curve"]]


def test_time_limit_ends_the_run(episodes, contract, config, tmp_path, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: 0.01 * next(ticks))  # a clock that goes on when it is looked at
    config = dataclasses.replace(config, steps=10**6, max_minutes=0.02, head_warmup_steps=10, cached_frame_stride=3)
    result = train([episodes], LITE0, "adapters", tmp_path / "b.safetensors", config, contract)
    assert 10 < result["steps"] < 120
    assert result["curve"][-1]["step"] == result["steps"]
    assert result["seconds"] == pytest.approx(1.2, abs=0.2)


def test_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(episodes, contract, config, tmp_path, monkeypatch):
    out = tmp_path / "b.safetensors"
    right = run.loss
    steps = iter(range(1000))

    def wrong(raw, *rest):
        bad = raw.requires_grad and next(steps) == 5
        return right(raw, *rest) * (float("nan") if bad else 1.0)

    monkeypatch.setattr(run, "loss", wrong)
    with pytest.raises(LosslessError, match="loss is not finite in step 5; .*b.checkpoint holds the last good state"):
        train([episodes], LITE0, "adapters", out, config, contract)
    state = torch.load(checkpoint_path(out), weights_only=True)
    assert state["step"] == 4
    assert all(t.isfinite().all() for t in state["network"].values())
    monkeypatch.setattr(run, "loss", right)
    assert train([episodes], LITE0, "adapters", out, config, contract, resume=True)["steps"] == config.steps


def test_out_of_memory_is_one_line_and_keeps_the_last_good_state(episodes, contract, config, tmp_path, monkeypatch):
    out = tmp_path / "b.safetensors"
    right = run.loss
    steps = iter(range(1000))

    def greedy(raw, *rest):
        if raw.requires_grad and next(steps) == 5:
            torch.empty(2**50)
        return right(raw, *rest)

    monkeypatch.setattr(run, "loss", greedy)
    with pytest.raises(LosslessError, match="out of memory in step 5; .*b.checkpoint holds .*; try a smaller batch"):
        train([episodes], LITE0, "frozen", out, config, contract)
    assert torch.load(checkpoint_path(out), weights_only=True)["step"] == 4


@pytest.fixture
def small_files():
    """A function that limits how large files may become from then on [bytes], as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_is_one_line_and_nothing_is_lost(episodes, contract, config, tmp_path, small_files):
    out = tmp_path / "b.safetensors"
    train([episodes], LITE0, "frozen", tmp_path / "first.safetensors", config, contract)  # fills the caches
    whole = read_bundle(tmp_path / "first.safetensors").hash

    def fill(percent: int, total: int, note: str) -> None:
        if note.startswith("step 3,"):
            small_files(4096)

    with pytest.raises(LosslessError, match=r"cannot write .*b\.checkpoint: "):
        train([episodes], LITE0, "frozen", out, config, contract, on_progress=fill)
    small_files(resource.RLIM_INFINITY)
    assert torch.load(checkpoint_path(out), weights_only=True)["step"] == 2
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".checkpoint", ".safetensors"]
    assert train([episodes], LITE0, "frozen", out, config, contract, resume=True)["bundle_hash"] == whole


def test_full_disk_of_the_caches_is_one_line(episodes, contract, config, tmp_path, small_files):
    out = tmp_path / "b.safetensors"
    small_files(4096)
    with pytest.raises(LosslessError, match="cannot write the cache .*; set XDG_CACHE_HOME"):
        train([episodes], LITE0, "frozen", out, config, contract)
    small_files(2**18)  # enough for the episodes, not for their features
    with pytest.raises(LosslessError, match="cannot write the cache .*/features/.*; set XDG_CACHE_HOME"):
        train([episodes], LITE0, "top", out, config, contract)
    small_files(resource.RLIM_INFINITY)
    assert not list(cache_dir().rglob(".*"))


def test_resume_says_what_is_wrong(episodes, contract, config, tmp_path):
    out = tmp_path / "b.safetensors"
    with pytest.raises(LosslessError, match="nothing to resume: no checkpoint"):
        train([episodes], LITE0, "top", out, config, contract, resume=True)
    torch.save({"run": "other"}, checkpoint_path(out))
    with pytest.raises(LosslessError, match="other data, backbone, mode or settings"):
        train([episodes], LITE0, "top", out, config, contract, resume=True)
    checkpoint_path(out).write_bytes(b"PK")
    with pytest.raises(LosslessError, match="is damaged"):
        train([episodes], LITE0, "top", out, config, contract, resume=True)


def test_wrong_arguments_are_one_line_before_any_work(episodes, contract, config, tmp_path):
    (tmp_path / "file").write_text("")
    out = tmp_path / "b.safetensors"
    with pytest.raises(LosslessError, match="unknown backbone 'resnet51'"):
        train([episodes], "resnet51", "top", out, config, contract)
    with pytest.raises(LosslessError, match="unknown mode 'all'"):
        train([episodes], LITE0, "all", out, config, contract)
    with pytest.raises(LosslessError, match="cannot write"):
        train([episodes], LITE0, "top", tmp_path / "file" / "b.safetensors", config, contract)
    with pytest.raises(LosslessError, match="no topic /arm/tool; the bag has"):
        train([episodes], LITE0, "top", out, config, contract, robot=Robot(topics={"tcp_pose": "/arm/tool"}))
    with pytest.raises(LosslessError, match="no such folder"):
        train([tmp_path / "none"], LITE0, "top", out, config, contract)


def test_episodes_of_several_tasks_are_refused_and_unnamed_ones_take_the_bundles_name(
    contract, config, tmp_path, episodes
):
    record(tmp_path / "more" / "a", contract, 50, task="rgb_stacking/triplet2")
    with pytest.raises(LosslessError, match="episodes of 2 tasks: rgb_stacking/triplet1, rgb_stacking/triplet2"):
        train([episodes, tmp_path / "more"], LITE0, "top", tmp_path / "b.safetensors", config, contract)


def test_bundle_says_what_it_was_trained_on(episodes, contract, config, tmp_path):
    out = tmp_path / "b.safetensors"
    result = train([episodes], LITE0, "frozen", out, config, contract)
    bundle, tensors = load_bundle(out)
    provenance = bundle.provenance
    assert provenance["data"]["frames"] == 60
    assert provenance["config"]["seed"] == 0
    assert set(provenance["versions"]) == {"lossless_ros", "torch", "timm", "commit"}
    assert provenance["metrics"]["held_out_loss"] == result["held_out_loss"]
    assert tensors["mean"].abs().sum() > 0
