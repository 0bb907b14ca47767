"""The command line as a user types it: help is quick to list, mistakes are one line and exit code 2."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from lossless_ros.cli import interruption
from lossless_ros.cli.app import main
from lossless_ros.cli.descriptions import describe
from lossless_ros.cli.info import lines
from lossless_ros.cli.list import Kind, list_shipped
from lossless_ros.cli.verify import summary_lines
from lossless_ros.contract import load_contract
from lossless_ros.episodes.writer import EpisodeWriter
from lossless_ros.errors import LosslessError
from lossless_ros.paths import find_bundle
from tests.support.doc_pages import ROOT


def lossless(*arguments):
    command = [sys.executable, "-c", "from lossless_ros.cli.app import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_help_lists_every_command():
    result = lossless("--help")
    assert result.returncode == 0
    commands = "collect rerender train dagger evaluate study replay verify info list bench demo"
    for name in commands.split():
        assert f"  {name} " in result.stdout


def test_help_imports_nothing_heavy():
    heavy = "torch timm mujoco cv2 rclpy numpy yaml gymnasium matplotlib rosbags lossless_sim"
    code = f"import sys, lossless_ros.cli.app; print([m for m in '{heavy}'.split() if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_info_writes_json():
    result = lossless("info", "rgb_stacking", "--json", "-")
    assert json.loads(result.stdout)["contract"] == "rgb_stacking"


def test_alone_it_shows_its_help_and_its_version():
    for command in ((), ("bench",)):
        result = lossless(*command)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith(
            f"Usage: lossless {' '.join(command)}".rstrip() + " [OPTIONS] COMMAND [ARGS]...\n"
        )
    assert re.fullmatch(r"lossless_ros \d+\.\d+\.\d+\n", lossless("--version").stdout)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("tasks", {"rgb_stacking/triplet1", "rgb_stacking/heldout"}),
        ("domains", {"nominal", "randomized", "lab"}),
        ("robots", {"sim", "sawyer", "ur5e"}),
        ("contracts", {"rgb_stacking"}),
        ("backbones", {"tf_efficientnet_lite0", "vit_base_patch16_224.mae"}),
        ("configs", {"default", "stacking"}),
        ("studies", {"rgb_stacking"}),
        ("bundles", {"triplet5"}),
    ],
)
def test_list_names_what_comes_with_the_package(tmp_path, kind, names):
    list_shipped(Kind(kind), tmp_path / "list.json")
    rows = json.loads((tmp_path / "list.json").read_text())[kind]
    assert names <= {row["name"] for row in rows}
    assert all(row["about"] for row in rows)


@pytest.mark.parametrize(
    ("target", "key", "value"),
    [
        ("rgb_stacking", "rate_hz", 20.0),
        ("sawyer", "safety", {"linear_acceleration": 0.5}),
        ("config/robots/ur5e.yaml", "robot", "ur5e"),
        ("stacking", "batch_size", 16),
        ("config/training/demo.yaml", "max_minutes", 2.3),
        ("randomized", "appearance.object_hue", {"lowest": -14.0, "highest": 14.0, "unit": "deg"}),
        ("config/domains/nominal.yaml", "parameters", 0),
        ("config/studies/rgb_stacking.yaml", "policies", 22),
        ("triplet5", "bytes", find_bundle("triplet5").stat().st_size),
    ],
)
def test_info_describes_every_kind_of_file_with_numbers(target, key, value):
    path = ROOT / target
    found = describe(str(path) if path.exists() else target)[key]
    assert value.items() <= found.items() if isinstance(value, dict) else found == value
    assert lines({key: found})


def test_an_unknown_name_is_refused_without_loading_models(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(LosslessError, match="unknown name 'nothing'; known: .*rgb_stacking.*triplet5"):
        describe("nothing")


def test_a_file_of_no_known_kind_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("apples: 3")
    with pytest.raises(LosslessError, match="a.yaml is no contract, robot, domain, training settings or study"):
        describe(str(tmp_path / "a.yaml"))
    (tmp_path / "a.mcap").write_text("apples")
    with pytest.raises(LosslessError, match="a.mcap cannot be read as a recording"):
        describe(str(tmp_path / "a.mcap"))


def test_recordings_are_described_by_topic_rate_length_and_outcome(tmp_path):
    contract = load_contract("rgb_stacking")
    for seed, info in enumerate(({}, {}, {"success": True, "seed": 2, "task": "a/b"})):
        with EpisodeWriter(tmp_path / f"episode_{seed}", contract) as writer:
            for step in range(5):
                writer.act(1_000_000_000 + step * contract.period_ns, np.zeros(contract.action.dim))
            writer.close(info)
    (file,) = (tmp_path / "episode_0").glob("*.mcap")
    for target in (tmp_path / "episode_0", file):
        found = describe(str(target))
        twists = found["topics"]["/servo_node/delta_twist_cmds"]
        assert (twists["messages"], twists["type"]) == (5, "geometry_msgs/msg/TwistStamped")
        assert twists["rate_hz"] == pytest.approx(25) and found["duration_s"] == pytest.approx(0.2)
    found = describe(str(tmp_path))
    assert [found[key] for key in ("episodes", "successful", "failed", "without a word on success")] == [3, 1, 0, 2]
    assert found["success share"] == 1 and found["seeds"] == [[2, 2]]
    assert "without a word on success: 2" in lines(found) and "seeds: 2" in lines(found)
    shutil.rmtree(tmp_path / "episode_2")
    unlabeled = describe(str(tmp_path))  # a robot's own recordings: nothing is said to have failed
    assert unlabeled["without a word on success"] == 2 and not {"successful", "failed"} & unlabeled.keys()


def test_verification_says_in_three_lines_what_it_proved():
    proof = {
        **{
            "ok": True,
            "backbone": "lite0",
            "source": "PyPI x",
            "fingerprint": "0123456789abcdef",
            "bundle": "a.safetensors",
        },
        **{"images": {"kind": "synthetic", "count": 4}, "bundle_share": 0.011, "adapter_share": 0.01},
    }
    assert len(summary_lines(proof)) == 3
    assert summary_lines({"ok": False, "failures": ["frozen", "outputs_equal"]}) == [
        "not lossless: frozen, outputs_equal"
    ]


def test_list_shows_the_shipped_bundles_and_info_describes_them():
    result = lossless("list", "bundles", "--json", "-")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)["bundles"]
    assert [row["name"] for row in rows] == [f"triplet{n}" for n in range(1, 6)]
    result = lossless("info", rows[0]["name"], "--json", "-")
    assert json.loads(result.stdout)["task"] == rows[0]["task"] == f"rgb_stacking/{rows[0]['name']}"


def test_verify_takes_the_name_of_a_shipped_bundle():
    result = lossless("verify", "--bundle", "triplet5", "--json", "-")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["ok"]


@pytest.fixture
def lossless_here(monkeypatch, capsys):
    """Run a command as `lossless` does, but in this process, which has imported most of what commands need."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setattr(interruption, "watch", lambda: None)  # pytest has signal handlers of its own
    monkeypatch.setattr(interruption, "_kept", [])

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lossless", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return subprocess.CompletedProcess(arguments, ended.value.code, *capsys.readouterr())

    return run


def check_mistake(result, line):
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert re.search(line, lines[0]), lines[0]


EXPERT = ["evaluate", "--expert", "random", "--task", "rgb_stacking/triplet1"]


def collect(folder, **changes):
    options = {"task": "rgb_stacking/triplet1", "episodes": 1, "out": folder, **changes}
    return ["collect", *(x for name, value in options.items() for x in (f"--{name}", value))]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (lambda t: collect(t, task="rgb_stacking/triplet9"), "rgb_stacking/triplet9.*rgb_stacking/triplet1"),
        (lambda t: collect(t, domain="moon"), "moon.*randomized"),
        (lambda t: collect(t, expert="wise"), "wise.*scripted"),
        (lambda t: collect(t, contract="none"), "unknown contract 'none'; known: .*rgb_stacking"),
        (lambda t: collect(t, episodes=0), "episodes is 0"),
        (lambda t: collect(t, workers=0), "workers is 0"),
        (lambda t: collect("/proc/episodes"), "/proc/episodes"),
        (lambda t: ["train", "--data", t / "none", "--out", t / "b.safetensors"], "no such folder"),
        (lambda t: ["train", "--data", t, "--out", t / "b.safetensors"], "no rosbag2 folder"),
        (lambda t: ["train", "--data", t, "--out", t / "b.safetensors", "--config", "x"], "unknown training 'x'"),
        (
            lambda t: ["train", "--data", t, "--out", t / "b.safetensors", "--backbone", "x"],
            "'x'.*tf_efficientnet_lite0",
        ),
        (
            lambda t: ["dagger", "--bundle", t / "no.safetensors", "--data", t, "--folder", t, "--out", t / "b"],
            "no.safetensors",
        ),
        (lambda t: ["train", "--data", t, "--out", t / "b.txt"], "b.txt: expected a name that ends in .safetensors"),
        (
            lambda t: ["train", "--data", t, "--out", t / "b.safetensors", "--robot", "r2d2"],
            "unknown robot 'r2d2'; known: .*sawyer",
        ),
        (lambda t: ["rerender", "--data", t, "--out", t / "looks"], "no rosbag2 folder"),
        (lambda t: ["rerender", "--data", t, "--out", t / "looks", "--looks", "0"], "looks is 0, expected at least 1"),
        (lambda t: ["evaluate"], "--bundle FILE or --expert"),
        (lambda t: [*EXPERT, "--against", "random", "--runtime", "abacus"], "unknown runtime 'abacus'; known: .*torch"),
        (lambda t: [*EXPERT, "--against", "random", "--over-ros"], "--over-ros runs the inference node"),
        (lambda t: [*EXPERT, "--against", "random", "--video", t / "a.mp4", "--video-seed", "99"], "seed 99 to film"),
        (lambda t: [*EXPERT, "--against", "random", "--expert-noise", "2"], "expert noise is 2"),
        (lambda t: ["evaluate", "--expert", "scripted"], "--task"),
        (
            lambda t: [*EXPERT, "--against", t / "none.json"],
            "cannot read .*none.json",
        ),
        (lambda t: [*EXPERT, "--against", "wise"], "wise.*scripted"),
        (lambda t: [*EXPERT, "--video", t / "a.mp4", "--video-seed", "1", "--video-seed", "2"], "existing folder"),
        (lambda t: ["evaluate", "--bundle", t / "none.safetensors"], "none.safetensors"),
        (lambda t: ["evaluate", "--bundle", "triplet9"], "unknown bundle 'triplet9'; known: .*triplet5"),
        (lambda t: ["verify", "--bundle", t], "is a folder, expected a bundle file"),
        (lambda t: ["list", "tasks", "--json", "/proc/a.json"], "cannot write /proc/a.json"),
        (
            lambda t: ["replay", "--bundle", "triplet5", "--bag", t, "--report", "/proc/a.html"],
            "cannot write /proc/a.html",
        ),
        (lambda t: [*EXPERT, "--record", "/proc/bags"], "cannot write into /proc/bags"),
        (lambda t: ["list", "toys"], "'toys'.*bundles"),
        (lambda t: ["evaluate", "--expert", "random", "--task", "rgb_stacking/triplet1", "--over-ros"], "--over-ros"),
        (lambda t: ["replay", "--bundle", t / "none.safetensors", "--bag", t], "rosbag2|none.safetensors"),
        (lambda t: ["verify", "--bundle", t / "none.safetensors"], "none.safetensors"),
        (lambda t: ["info", "nothing"], "nothing"),
        (lambda t: ["info"], "--domain NAME"),
        (lambda t: ["info", "--domain", "moon", "--out", t / "s.png"], "moon.*randomized"),
        (lambda t: ["bench", "everything"], "everything.*sim"),
        (lambda t: ["bench", "sim", "--steps", "0"], "steps is 0"),
        (lambda t: ["colect"], "colect"),
        (lambda t: ["collect"], "--task"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(lossless_here, tmp_path, arguments, line):
    check_mistake(lossless_here(*arguments(tmp_path)), line)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [  # each of them imports other libraries, which must not print anything
        (lambda t: ["colect"], "colect"),
        (lambda t: ["list", "tasks", "--json", "/proc/a.json"], "cannot write /proc/a.json"),
        (lambda t: [*EXPERT, "--record", "/proc/bags"], "cannot write into /proc/bags"),
        (lambda t: ["train", "--data", t / "none", "--out", t / "b.safetensors"], "no such folder"),
        (lambda t: ["replay", "--bundle", "triplet5", "--bag", t / "none"], "no such folder"),
    ],
)
def test_a_mistake_in_a_process_of_its_own_is_one_line_and_exit_code_2(tmp_path, arguments, line):
    check_mistake(lossless(*arguments(tmp_path)), line)
