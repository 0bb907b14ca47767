"""The command line as a user types it: help is quick to list, mistakes are one line and exit code 2."""

import json
import re
import subprocess
import sys

import pytest


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


def test_list_shows_the_shipped_bundles_and_info_describes_them():
    result = lossless("list", "bundles", "--json", "-")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)["bundles"]
    assert [row["name"] for row in rows] == ["triplet5"]
    result = lossless("info", rows[0]["name"], "--json", "-")
    assert json.loads(result.stdout)["task"] == rows[0]["task"] == f"rgb_stacking/{rows[0]['name']}"


def test_verify_takes_the_name_of_a_shipped_bundle():
    result = lossless("verify", "--bundle", "triplet5", "--json", "-")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["ok"]


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
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, arguments, line):
    result = lossless(*arguments(tmp_path))
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert re.search(line, lines[0]), lines[0]
