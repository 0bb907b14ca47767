import pytest

from lossless_ros.errors import LosslessError
from lossless_ros.models.backbones import load_backbone
from lossless_ros.training.config import MODES, load_training_config, network_config


@pytest.mark.parametrize("name", ["default", "demo"])
def test_shipped_settings_load(name):
    assert load_training_config(name).seed == 0


def test_file_of_the_users_says_only_what_it_changes(tmp_path):
    (tmp_path / "mine.yaml").write_text("learning_rate: 0.0003\nhidden: [64]\n")
    config = load_training_config(str(tmp_path / "mine.yaml"))
    assert (config.learning_rate, config.hidden, config.batch) == (0.0003, (64,), load_training_config("default").batch)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learnin_rate: 1", "unknown key 'learnin_rate'; known: .*learning_rate"),
        ("steps: 0", "steps is 0, expected at least 1"),
        ("steps: many", "steps: expected int, got 'many'"),
        ("max_minutes: -1", "max_minutes is -1.0, expected more than 0"),
        ("held_out: 1.5", "held_out is 1.5, expected 0 or more and less than 1"),
        ("kernel: 2", "kernel is 2, expected an odd number"),
        ("hidden: [64, 0]", r"hidden is \(64, 0\), expected at least 1 each"),
        ("mixture: -1", "mixture is -1, expected at least 0"),
        ("top_grid: 0", "top_grid is 0, expected at least 1"),
        ("weight_decay: -1", "weight_decay is -1.0, expected 0 or more"),
        ("gripper_weight: -3", "gripper_weight is -3.0, expected 0 or more"),
        ("head_start: -5", "head_start is -5, expected at least 0"),
        ("idle: 7", "idle is 7.0, expected 0 to 1"),
        ("rank: 0", "rank is 0, expected at least 1"),
        ("learning_rate: .nan", "learning_rate is nan, expected more than 0"),
    ],
)
def test_wrong_setting_is_one_line(tmp_path, text, message):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(LosslessError, match=message):
        load_training_config(str(tmp_path / "mine.yaml"))


def test_mode_decides_placements_and_unknown_mode_lists_the_known():
    backbone = load_backbone("tf_efficientnet_lite0")
    config = load_training_config("default")
    assert {mode: network_config(config, mode, backbone).placements for mode in MODES} == MODES
    assert network_config(config, "adapters", backbone).image_size == 224
    with pytest.raises(
        LosslessError, match="unknown mode 'all'; known: adapters, bottom, frozen, full, middle, scratch, top"
    ):
        network_config(config, "all", backbone)
