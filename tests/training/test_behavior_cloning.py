import itertools
import json
import resource
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from lossless_ros.cli.descriptions import describe
from lossless_ros.contract import Robot
from lossless_ros.episodes.reader import read_episode
from lossless_ros.errors import LosslessError
from lossless_ros.evaluation.verify import verify
from lossless_ros.models.backbones import load_backbone
from lossless_ros.models.bundle import load_bundle, read_bundle, save_bundle
from lossless_ros.models.network_config import TOPS
from lossless_ros.models.policy import load_policy
from lossless_ros.models.preprocess import to_batch
from lossless_ros.models.training_statistics import PREFIX
from lossless_ros.paths import cache_dir
from lossless_ros.training import trainer
from lossless_ros.training.behavior_cloning import train
from lossless_ros.training.checkpoint import checkpoint_path
from lossless_ros.training.hyperparameters import BACKBONE_INIT, MODES
from tests.support import bags
from tests.support.gpu import needs_gpu
from tests.support.interruption import train_until
from tests.support.recordings import IMAGE_SIZE, record_episode

LITE0 = "tf_efficientnet_lite0"


@pytest.mark.parametrize(
    ("mode", "top"), [(mode, top) for top in TOPS for mode in MODES if top == "grid" or "top" in MODES[mode]]
)
def test_every_mode_gives_a_bundle_that_acts_and_is_verified(job, hyperparameters, mode, top):
    job = replace(job, mode=mode, hyperparameters=replace(hyperparameters, top=top))
    result = train(job)
    bundle = read_bundle(job.out)
    assert json.loads(json.dumps(result)) == result
    assert bundle.task == "rgb_stacking/triplet1"
    assert bundle.mode == mode
    assert bundle.network.top == top
    assert bundle.hash == result["bundle_hash"]
    assert result["steps"] == job.hyperparameters.steps
    assert result["parameters"]["adapters"] <= 0.012 * result["parameters"]["backbone"]
    assert (result["parameters"]["adapters"] > 0) == bool({"bottom", "middle"} & set(MODES[mode]))
    assert result["data"]["episodes"] == 3
    assert result["data"]["held_out_episodes"] == 1
    policy = load_policy(job.out)
    policy.warm_up(1)
    proof = verify(job.out, backbone=policy.backbone)
    assert proof["ok"] == (mode not in BACKBONE_INIT)
    assert (proof["bundle_share"] > 1) == (mode in BACKBONE_INIT)
    assert not checkpoint_path(job.out).exists()


def test_data_and_out_may_be_strings_and_names_stand_for_hyperparameters(job, tmp_path):
    (tmp_path / "quick.yaml").write_text(
        "steps: 6\nbatch_size: 4\nwarmup_steps: 2\nnum_validations: 3\nval_frames: 8\nimage_size: 48\n"
        "num_cached_views: 2\ntop_grid: 2\ntop_size: 256\nhidden_dims: [32]\ndevice: cpu\nheld_out: 0.25\n"
    )
    expected = train(job)["bundle_hash"]
    by_name = replace(
        job, data=str(job.data), out=str(tmp_path / "c.safetensors"), hyperparameters=str(tmp_path / "quick.yaml")
    )
    assert train(by_name)["bundle_hash"] == expected
    assert train(replace(job, data=[str(job.data)]))["bundle_hash"] == expected


@pytest.mark.parametrize("mode", BACKBONE_INIT)
def test_modes_that_change_the_backbone_change_a_copy_stored_in_the_bundle(job, mode):
    shared = load_backbone(LITE0)
    before = shared.model.state_dict()
    train(replace(job, mode=mode))
    policy, second = load_policy(job.out, "cpu", shared), load_policy(job.out, "cpu", shared)
    copy = policy.network.trainable_backbone.model.state_dict()
    assert all(torch.equal(before[n], t) for n, t in shared.model.state_dict().items())
    addresses = {t.data_ptr() for t in second.network.trainable_backbone.parameters()}
    assert not {t.data_ptr() for t in copy.values()} & addresses
    kernels = [n for n in copy if n.endswith("weight")]
    assert kernels
    assert not any(torch.equal(copy[n], before[n]) for n in kernels)
    statistics = [n for n in copy if "running_" in n]
    assert all(torch.equal(copy[n], before[n]) for n in statistics) == (mode == "full")
    assert not any("classifier" in n for n in copy)
    assert not policy.network.trainable_backbone.model.training


def test_policies_with_their_own_backbones_share_a_graph_but_not_its_weights(
    job, episodes, contract, hyperparameters, tmp_path
):
    shared, other = load_backbone(LITE0), tmp_path / "other.safetensors"
    train(replace(job, mode="full", hyperparameters=replace(hyperparameters, steps=1)))
    bundle, tensors = load_bundle(job.out)
    save_bundle(other, bundle, {n: t * (0.9 if n.startswith("trainable_backbone.") else 1) for n, t in tensors.items()})
    frame = read_episode(episodes / "episode_0", contract).frames[0]
    actions = [
        load_policy(path, "cpu", shared, runtime=runtime).act(frame)
        for path in (job.out, other)
        for runtime in ("torch", "openvino")
    ]
    for with_torch, with_openvino in (actions[:2], actions[2:]):
        assert abs(with_torch - with_openvino).max() < 1e-5
    assert abs(actions[0] - actions[2]).max() > 1e-3


@pytest.mark.parametrize("mode", ["frozen", "adapters"])
def test_training_learns_what_the_images_show(job, hyperparameters, mode):
    steps = {"frozen": 300, "adapters": 24}[mode]
    longer = replace(hyperparameters, steps=steps, random_shift=0.0, batch_size=12)
    result = train(replace(job, mode=mode, hyperparameters=longer))
    first, last = result["curve"][0], result["curve"][-1]
    assert last["train_loss"] < 0.5 * first["held_out_loss"]
    assert last["held_out_loss"] < 0.8 * first["held_out_loss"]


def test_keypoints_locate_what_a_grid_averages_away(job, hyperparameters):
    changes = {"steps": 300, "batch_size": 12, "random_shift": 0.0, "num_cached_views": 1}
    quick = replace(hyperparameters, num_validations=1, val_frames=20, **changes)
    losses = {}
    for top in TOPS:
        result = train(replace(job, hyperparameters=replace(quick, top=top)))
        losses[top] = result["held_out_loss"]
    assert losses["keypoints"] < 0.02
    assert losses["keypoints"] < 0.7 * losses["grid"]


@pytest.mark.parametrize("mode", ["frozen", "middle", "bottom"])
def test_modes_without_a_top_are_the_same_whatever_the_top(job, hyperparameters, tmp_path, mode):
    tensors = []
    for top in TOPS:
        out = tmp_path / f"{top}.safetensors"
        quick = replace(hyperparameters, top=top, steps=2, num_validations=1)
        train(replace(job, mode=mode, out=out, hyperparameters=quick))
        tensors.append(load_bundle(out)[1])
    assert tensors[0].keys() == tensors[1].keys()
    assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])


def test_learning_curve_has_every_validation(job):
    curve = train(replace(job, mode="adapters"))["curve"]
    assert [p["step"] for p in curve] == [0, 2, 4, 6]
    assert curve[0]["train_loss"] is None
    assert all(p["train_loss"] > 0 for p in curve[1:])
    assert all(p["held_out_loss"] > 0 for p in curve)
    assert set(curve[-1]["mae"]) == {"linear.x", "linear.y", "linear.z", "angular.z"}


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize(
    ("mode", "top"), [("top", "grid"), ("adapters", "grid"), ("scratch", "grid"), ("adapters", "keypoints")]
)
def test_same_seed_gives_the_same_bundle_and_another_seed_another(job, hyperparameters, tmp_path, mode, top, device):
    hashes = []
    for i, seed in enumerate((0, 0, 1)):
        seeded = replace(hyperparameters, device=device, seed=seed, top=top)
        result = train(replace(job, mode=mode, out=tmp_path / f"{i}.safetensors", hyperparameters=seeded))
        hashes.append(result["bundle_hash"])
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize(
    ("mode", "head_warmup_steps", "top"),
    [
        ("adapters", 0, "grid"),
        ("adapters", 3, "grid"),
        ("top", 0, "grid"),
        ("full", 3, "grid"),
        ("scratch", 3, "grid"),
        ("adapters", 3, "keypoints"),
        ("top", 0, "keypoints"),
        ("full", 0, "keypoints"),
    ],
)
def test_resumed_run_gives_the_bundle_of_an_uninterrupted_one(
    job, hyperparameters, tmp_path, mode, head_warmup_steps, top, device
):
    hyperparameters = replace(hyperparameters, head_warmup_steps=head_warmup_steps, device=device, top=top)
    job = replace(job, mode=mode, hyperparameters=hyperparameters)
    whole = train(job)
    killed = replace(job, out=tmp_path / "killed.safetensors")
    train_until(5, killed)
    assert checkpoint_path(killed.out).is_file()
    assert not killed.out.exists()
    resumed = train(replace(killed, resume=True))
    assert resumed["bundle_hash"] == whole["bundle_hash"]
    assert [p["step"] for p in resumed["curve"]] == [p["step"] for p in whole["curve"]]


def test_time_limit_ends_the_run(job, hyperparameters, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: 0.01 * next(ticks))  # a clock that advances when it is read
    timed = replace(hyperparameters, steps=10**6, max_minutes=0.02, head_warmup_steps=10, cached_frame_stride=3)
    result = train(replace(job, mode="adapters", hyperparameters=timed))
    assert 10 < result["steps"] < 120
    assert result["curve"][-1]["step"] == result["steps"]
    assert result["seconds"] == pytest.approx(1.2, abs=0.2)


def test_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_state(job, hyperparameters, monkeypatch):
    real_loss = trainer.loss
    steps = iter(range(1000))

    def broken_loss(outputs, *rest):
        is_broken = outputs.requires_grad and next(steps) == 5
        return real_loss(outputs, *rest) * (float("nan") if is_broken else 1.0)

    job = replace(job, mode="adapters")
    monkeypatch.setattr(trainer, "loss", broken_loss)
    with pytest.raises(LosslessError, match="loss is not finite in step 5; .*b.checkpoint holds the last good state"):
        train(job)
    state = torch.load(checkpoint_path(job.out), weights_only=True)
    assert state["step"] == 4
    assert all(t.isfinite().all() for t in state["network"].values())
    monkeypatch.setattr(trainer, "loss", real_loss)
    assert train(replace(job, resume=True))["steps"] == hyperparameters.steps


def test_out_of_memory_is_one_line_and_keeps_the_last_good_state(job, monkeypatch):
    real_loss = trainer.loss
    steps = iter(range(1000))

    def greedy_loss(outputs, *rest):
        if outputs.requires_grad and next(steps) == 5:
            torch.empty(2**50)
        return real_loss(outputs, *rest)

    monkeypatch.setattr(trainer, "loss", greedy_loss)
    message = "out of memory in step 5; .*b.checkpoint holds .*; try a smaller batch_size or gradient_checkpointing"
    with pytest.raises(LosslessError, match=message):
        train(replace(job, mode="frozen"))
    assert torch.load(checkpoint_path(job.out), weights_only=True)["step"] == 4


@pytest.fixture
def limit_file_size():
    """A function that limits the size of files from then on [bytes], as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_is_one_line_and_loses_nothing(job, tmp_path, limit_file_size):
    job = replace(job, mode="frozen")
    whole = train(replace(job, out=tmp_path / "first.safetensors"))["bundle_hash"]  # fills the caches

    def fill_disk(percent: int, total: int, note: str) -> None:
        if note.startswith("step 3,"):
            limit_file_size(4096)

    with pytest.raises(LosslessError, match=r"cannot write .*b\.checkpoint: "):
        train(job, fill_disk)
    limit_file_size(resource.RLIM_INFINITY)
    assert torch.load(checkpoint_path(job.out), weights_only=True)["step"] == 2
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".checkpoint", ".safetensors"]
    assert train(replace(job, resume=True))["bundle_hash"] == whole


def test_full_disk_of_the_caches_is_one_line(job, limit_file_size):
    limit_file_size(4096)
    with pytest.raises(LosslessError, match="cannot write the cache .*; set XDG_CACHE_HOME"):
        train(replace(job, mode="frozen"))
    limit_file_size(2**18)  # enough for the episodes, not for their features
    with pytest.raises(LosslessError, match="cannot write the cache .*/features/.*; set XDG_CACHE_HOME"):
        train(job)
    limit_file_size(resource.RLIM_INFINITY)
    assert not list(cache_dir().rglob(".*"))


def test_wrong_arguments_are_one_line_before_any_work(job, contract, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LosslessError, match="unknown backbone 'resnet51'"):
        train(replace(job, backbone="resnet51"))
    with pytest.raises(LosslessError, match="unknown mode 'all'"):
        train(replace(job, mode="all"))
    with pytest.raises(LosslessError, match="cannot write"):
        train(replace(job, out=tmp_path / "file" / "b.safetensors"))
    with pytest.raises(LosslessError, match="no topic /arm/tool; the bag has"):
        train(replace(job, robot=Robot(topics={"tcp_pose": "/arm/tool"})))
    with pytest.raises(LosslessError, match="robot sawyer: .* rate_hz of 200 Hz, safety.rate_range allows 5 to 100"):
        train(replace(job, robot="sawyer", contract=replace(contract, rate_hz=200.0)))
    with pytest.raises(LosslessError, match="no such folder"):
        train(replace(job, data=tmp_path / "none"))


def test_episodes_of_several_tasks_are_refused(job, contract, tmp_path, episodes):
    record_episode(tmp_path / "more" / "a", contract, 50, task="rgb_stacking/triplet2")
    with pytest.raises(LosslessError, match="episodes of 2 tasks: rgb_stacking/triplet1, rgb_stacking/triplet2"):
        train(replace(job, data=[episodes, tmp_path / "more"]))


def test_bundle_names_what_it_was_trained_on(job):
    result = train(replace(job, mode="frozen"))
    bundle, tensors = load_bundle(job.out)
    provenance = bundle.provenance
    assert provenance["data"]["frames"] == 60
    assert provenance["config"]["seed"] == 0
    assert set(provenance["versions"]) == {"lossless_ros", "torch", "timm", "commit"}
    assert provenance["metrics"]["held_out_loss"] == result["held_out_loss"]
    assert tensors["mean"].abs().sum() > 0


def test_frames_that_are_left_out_are_in_output_result_and_bundle(job, tmp_path, capsys):
    def paused(seed):
        events = bags.recording(seed)
        return bags.edited(events, bags.TWISTS, lambda i, e: None if 5 <= i < 17 else e.msg) if seed else events

    for seed in (0, 1, 2):
        bags.write_bag(tmp_path / "data" / f"episode_{seed}", paused(seed))
    result = train(replace(job, data=tmp_path / "data", contract=bags.CONTRACT, mode="frozen"))
    reasons = {"/servo_node/delta_twist_cmds is silent": 24}
    assert result["data"]["left_out_frames"] == load_bundle(job.out)[0].provenance["data"]["left_out_frames"] == reasons
    (first, second) = result["data"]["left_out_by_episode"]
    assert first["path"].endswith("episode_1") and first["frames"] == bags.FRAMES - 12
    assert "the gripper command changes 1 times in such pauses" in second["notes"][0]
    output = capsys.readouterr().err
    assert "left out 24 of 90 frames: /servo_node/delta_twist_cmds is silent (24)" in output
    assert "episode_1: 12 of 30 left out" in output and "episode_0:" not in output


@pytest.mark.parametrize("mode", ["frozen", "adapters"])
def test_bundle_keeps_statistics_and_seeds_of_its_training_data(job, contract, hyperparameters, tmp_path, mode):
    for seed in (3, 4, 7, 20):
        record_episode(tmp_path / "data" / f"episode_{seed:03}", contract, seed, domain="lab")
    job = replace(job, data=tmp_path / "data", mode=mode, hyperparameters=replace(hyperparameters, top="keypoints"))
    train(job)
    bundle, tensors = load_bundle(job.out)
    statistics = bundle.statistics
    episodes = [read_episode(tmp_path / "data" / f"episode_{seed:03}", contract) for seed in (3, 4, 7)]
    frames = [frame for episode in episodes for frame in episode.frames]
    actions = np.concatenate([episode.actions for episode in episodes])
    proprioception = np.stack([frame.proprioception for frame in frames])
    np.testing.assert_allclose(statistics.action_mean, actions.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(statistics.action_std, actions.std(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(statistics.proprioception_mean, proprioception.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(statistics.proprioception_std, proprioception.std(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(statistics.proprioception_min, proprioception.min(0))
    np.testing.assert_array_equal(statistics.proprioception_max, proprioception.max(0))
    policy = load_policy(job.out, "cpu")
    features = []
    for frame in frames:
        images = to_batch([image[None] for image in frame.images], IMAGE_SIZE, policy.backbone.preprocessing, "cpu")
        with torch.inference_mode():
            features.append(policy.network.top(*policy.network.features(policy.backbone, images)).reshape(-1).numpy())
    np.testing.assert_allclose(statistics.feature_mean, np.mean(features, 0), rtol=1e-2, atol=1e-3)
    distance = statistics.feature_distance(np.array(features))
    assert 0.5 < np.sqrt(np.square(distance).mean()) < 1.05
    assert statistics.feature_distance(np.array(features) + 20 * statistics.feature_std).min() > 10
    assert (np.diff(statistics.held_out_distance) >= 0).all()
    assert 0 < statistics.held_out_distance[0] < statistics.held_out_distance[-1] < np.inf
    assert {array.dtype for array in statistics.to_arrays().values()} == {np.dtype(np.float32)}
    assert not any(name.startswith(PREFIX) for name in tensors)
    assert bundle.provenance["data"]["seeds"] == {"lab": [[3, 4], [7, 7]]}
    assert bundle.provenance["data"]["held_out_seeds"] == {"lab": [[20, 20]]}
    described = describe(str(job.out))
    assert described["training actions"].startswith("linear.x [m/s] ")
    assert "distance of held-out frames: 50 % " in described["training features"]
