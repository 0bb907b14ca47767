"""Commands and Python examples of the documentation run, in small; those that are not run are parsed.

A page runs from top to bottom in a folder that has what the first tutorial leaves, as a reader has it. Small means:
few episodes of a few steps, a training of a few steps on small images, and worker objects in this process.
"""

import dataclasses
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.doc_commands import UnknownName, check, shell_lines, words
from tests.support.doc_pages import PAGES, ROOT, Block, all_blocks, blocks, name_of
from tests.support.in_this_process import run_in_this_process

TUTORIAL = ROOT / "docs" / "tutorials" / "first-policy.md"
STEPS = 12  # of an episode [control periods]
TRAINING = {"steps": 2, "head_warmup_steps": 1, "batch_size": 4, "num_validations": 1, "val_frames": 4}
TRAINING |= {"image_size": 64, "num_cached_views": 1, "max_minutes": None}
SMALL: dict[str, Callable[[str], str]] = {  # what has a size, or lacks one -> its small size
    r"(?<=--episodes )\d+": lambda n: str(min(int(n), 5)),
    r"(?<=\bepisodes=)\d+": lambda n: str(min(int(n), 5)),
    r"(?<=lossless evaluate)(?= )(?!.*--episodes)": lambda _: " --episodes 2",
    r"(?<=--rounds )\d+": lambda n: "1",
    r"(?<=--looks )\d+": lambda n: "1",
    r"(?<=lossless collect)(?= )": lambda _: f" --max-steps {STEPS}",
    r"(?<=lossless bench sim)(?= )": lambda _: " --steps 3",
    r"(?<=lossless bench training)(?= )": lambda _: " --batch 2",
}
PARSED_ONLY = {  # part of a line -> why it is not run, or not everywhere
    "lossless bench latency": "it starts eight nodes; tests/bench runs it",
    "--over-ros": "the first tutorial runs it; it starts two nodes",
}
RUN = [page for page in PAGES if page != TUTORIAL and any(b.language in ("bash", "python") for b in blocks(page))]


def small(text: str) -> str:
    """Return a command or a Python example with small sizes."""
    for pattern, size in SMALL.items():
        text = re.sub(pattern, lambda match, size=size: size(match[0]), text)
    return text


@pytest.fixture(scope="module")
def small_jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """Jobs with few steps, and a cache that all pages share."""
    from lossless_sim.paths import cache_dir

    from lossless_ros.evaluation import rollout
    from lossless_ros.simulation import collect, rerender
    from lossless_ros.training import behavior_cloning, dagger, dagger_rollouts
    from lossless_ros.training.hyperparameters import Hyperparameters, load_hyperparameters

    def load_small(name: str | Hyperparameters) -> Hyperparameters:
        return dataclasses.replace(load_hyperparameters(name), **TRAINING)

    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        scenes = cache_dir()
        scenes.mkdir(parents=True, exist_ok=True)
        (cache / scenes.parent.name).mkdir()
        (cache / scenes.parent.name / scenes.name).symlink_to(
            scenes
        )  # composing the cell takes long; the tests of the simulator share it
        patch.setenv("XDG_CACHE_HOME", str(cache))
        for module in (rollout, collect, rerender, dagger_rollouts):
            patch.setattr(module, "run_parallel", run_in_this_process)
        for module in (behavior_cloning, dagger):
            patch.setattr(module, "load_hyperparameters", load_small)
        for job in (rollout.EvalConfig, collect.CollectConfig, dagger_rollouts.RolloutConfig):
            new, names = list(job.__init__.__defaults__), [field.name for field in dataclasses.fields(job)]
            index = names.index("max_steps") - len(names)  # those without a default come first
            assert new[index] == 0
            new[index] = STEPS
            patch.setattr(job.__init__, "__defaults__", tuple(new))
        yield patch


def run_page(page: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Run the blocks of a page in a folder."""
    with patch.context() as here:
        here.chdir(folder)
        for block in blocks(page):
            if block.saved_as:
                Path(block.saved_as).write_text(block.text)
            if block.reason:
                continue
            if block.language == "python":
                exec(compile(small(block.text), str(block), "exec"), {"__name__": "__main__"})
            elif block.language == "bash":
                for line in map(small, shell_lines(block.text)):
                    if page == TUTORIAL or not any(part in line for part in PARSED_ONLY):
                        run_line(line, block)


def run_line(line: str, block: Block) -> None:
    """Run a line of a shell block: `lossless` in this process, which has its imports already, all else in bash."""
    from lossless_ros.cli.app import app

    if not line.startswith("lossless "):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", line], capture_output=True, text=True)
        assert done.returncode == 0, f"{block}: {line}\n{done.stdout}{done.stderr}"
        return
    (command,) = words(line)
    assert not app(command[1:], standalone_mode=False), f"{block}: {line}"


@pytest.fixture(scope="module")
def reader(small_jobs: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the first tutorial leaves, and with the policy of the page on DAgger."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "config").symlink_to(ROOT / "config")
    run_page(TUTORIAL, folder, small_jobs)
    shutil.copy(folder / "stacking.safetensors", folder / "better.safetensors")
    return folder


def test_first_tutorial_runs(reader: Path) -> None:
    left = {path.name for path in reader.iterdir()}
    assert {"expert.mp4", "data", "stacking.safetensors", "lab.json", "videos", "driven", "replay.html"} <= left
    assert {path.name for path in (reader / "videos").iterdir()} == {"episode_500000.mp4", "episode_500002.mp4"}


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_page_runs(page: Path, reader: Path, small_jobs: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = shutil.copytree(reader, tmp_path / "folder", symlinks=True)
    run_page(page, folder, small_jobs)


@pytest.mark.parametrize("block", all_blocks("bash"), ids=str)
def test_names_in_commands_exist(block: Block) -> None:
    commands = [command for line in shell_lines(block.text) for command in words(line)]
    known = [check(command) for command in commands]
    assert any(known) or not re.search(r"\blossless (?!-)|ros2 launch lossless_ros|_node --ros-args", block.text)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lossless trian --data data", "no command trian"),
        ("lossless train --data data --out a.safetensors --epochs 3", "--epochs"),
        ("lossless train --data data", "--out"),
        ("torchrun --nproc-per-node 4 .venv/bin/lossless train --data a --out b --modus full", "--modus"),
        ("make setup && lossless evaluate --runtime fast", "runtime"),
        ("ros2 launch lossless_ros real_stacking.launch.py bundel:=a", "no argument bundel"),
        ("ros2 launch lossless_ros sim_stacking.launch.py debug_picture:=true", "no argument debug_picture"),
        ("ros2 launch lossless_ros stacking.launch.py bundle:=a", "no launch file"),
        ("inference_node --ros-args -p bundle:=a", "no parameter bundle"),
        ("ros2 run lossless_ros inference_node --ros-args -p bundle:=a", "no parameter bundle"),
        ("ros2 param set /inference_node taks place", "no parameter taks"),
        ("ros2 service call /inference_node/halt std_srvs/srv/Trigger", "has no /inference_node/halt"),
        ("ros2 topic echo /inference_node/sends", "has no /inference_node/sends"),
    ],
)
def test_a_wrong_name_is_found(line: str, message: str) -> None:
    from lossless_ros.errors import LosslessError

    with pytest.raises((UnknownName, LosslessError), match=message):
        for command in words(line):
            check(command)


def test_arguments_of_included_launch_files_count() -> None:
    (command,) = words("ros2 launch lossless_ros sim_stacking.launch.py bundle:=a runtime:=torch log_level:=warn")
    assert check(command)
