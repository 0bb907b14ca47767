"""A study, small but real: demonstrations, trainings and evaluations in simulation, resumed and extended."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lossless_ros.errors import LosslessError
from lossless_ros.evaluation import rollout
from lossless_ros.simulation import collect
from lossless_ros.study.claims import ClaimedError, claim
from lossless_ros.study.config import load_study, task_path
from lossless_ros.study.estimate import Estimate, Work
from lossless_ros.study.results import markdown
from lossless_ros.study.runner import StudyFolder
from lossless_ros.study.summary import Policy, summarize, table
from lossless_ros.training.train_config import kept_bundle
from tests.support.in_this_process import run_in_this_process

TASK = "rgb_stacking/triplet5"
BUTTON = "metaworld/button-press-topdown:top_cap2"
STUDY = {
    "tasks": [TASK],
    "seeds": [0],
    "contract": "rgb_stacking_tcp",
    "demonstrations": {"episodes": 3, "seed": 10, "domain": "nominal", "max_steps": 12},
    "evaluation": {"domains": ["nominal"], "episodes": 2, "max_steps": 4},
    "reference": "frozen",
    "runs": {
        "frozen": {"mode": "frozen", "settings": {"steps": 2}},
        "top": {"mode": "top", "episodes": 2, "settings": {"steps": 1, "top": "keypoints"}},
    },
}
QUICK = {"batch_size": 2, "warmup_steps": 1, "num_validations": 1, "val_frames": 2, "only_successful": False}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    for module in (collect, rollout):
        monkeypatch.setattr(module, "run_parallel", run_in_this_process)


def write_study(folder: Path, **changes: object) -> str:
    (folder / "quick.yaml").write_text(yaml.safe_dump({**QUICK, "image_size": 128, "threads": 1}))
    path = folder / "study.yaml"
    study: dict[str, Any] = {**STUDY, "training": str(folder / "quick.yaml"), **changes}
    if "frozen" not in study["runs"]:
        study.pop("reference")
    path.write_text(yaml.safe_dump(study))
    return str(path)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def test_study_runs_resumes_and_survives_failures(tmp_path, monkeypatch):
    events: list[str] = []
    study, folder = load_study(write_study(tmp_path)), tmp_path / "results"
    run = StudyFolder(study, folder, on_event=events.append).run

    def fail(config: object) -> None:
        raise ValueError("no\nluck")

    with monkeypatch.context() as patch:
        patch.setattr("lossless_ros.study.runner.train", fail)
        failed = {"run": "frozen", "task": TASK, "training_seed": 0, "error": "ValueError: no luck"}
        assert run(("frozen",)) == {"cells": [], "policies": [], "failed": [failed]}
    assert "- frozen, rgb_stacking/triplet5, training seed 0: ValueError: no luck" in (folder / "table.md").read_text()
    run(("frozen",))
    assert (folder / "frozen" / "rgb_stacking" / "triplet5_0.safetensors").exists()
    assert not (folder / "top").exists()
    summary = run()
    assert [(c["run"], c["n"]) for c in summary["cells"]] == [("frozen", 2), ("top", 2)] and not summary["failed"]
    assert summary["cells"][1]["against_reference"]["n"] == 2
    assert json.loads((folder / "summary.json").read_text()) == summary
    result = json.loads((folder / "top" / "rgb_stacking" / "triplet5_0.json").read_text())
    assert result["data"]["episodes"] + result["data"]["held_out_episodes"] == 2
    assert {row["run"] for row in rows(folder / "curves.csv")} == {"frozen", "top"}
    assert [(row["run"], row["suite"], row["n"]) for row in rows(folder / "runs.csv")] == [
        ("frozen", "rgb_stacking", "2"),
        ("top", "rgb_stacking", "2"),
    ]
    assert (folder / "plot.svg").stat().st_size > 1000
    done = len(events)
    assert run() == summary
    assert len(events) == done  # nothing is made again
    assert [row["seed"] for row in rows(folder / "episodes.csv")] == ["0", "1", "0", "1"]
    changed = STUDY["runs"] | {"top": {"mode": "top", "settings": {"steps": 3}}}
    with pytest.raises(
        LosslessError, match=r"top/rgb_stacking/triplet5_0.safetensors was trained with another episode"
    ):
        StudyFolder(load_study(write_study(tmp_path, runs=changed)), folder).run()


def test_tiny_study_spans_suites_and_evaluates_checkpoints(tmp_path):
    events: list[str] = []
    results = StudyFolder(load_study("tiny"), tmp_path, on_event=events.append)
    summary = results.run(("frozen",))
    assert [(cell["task"], cell["domain"], cell["n"]) for cell in summary["cells"]] == [
        (BUTTON, "nominal", 2),
        (TASK, "randomized", 1),
    ]
    for training in results.study.trainings(("frozen",)):
        bundle = results.bundle(training)
        assert bundle == tmp_path / "frozen" / f"{task_path(training.task)}_0.safetensors"
        assert bundle.exists() and kept_bundle(bundle, 10).exists()
    assert [cell["checkpoints"]["steps"] for cell in summary["cells"]] == [[10, 20]] * 2
    assert {row["step"] for row in rows(tmp_path / "episodes.csv")} == {"10", "20"}
    assert any(line.startswith("left: ") and "episodes to evaluate: about" in line for line in events)


def test_two_tasks_of_one_name_have_folders_of_their_own():
    assert task_path("a/b:c") == "a/b@c" != task_path("b/b:c")


def test_a_claim_is_of_one_process_and_ends_with_it(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from lossless_ros.study.claims import claim\n"
        "with claim(Path(sys.argv[1])): print('claimed', flush=True); time.sleep(60)"
    )
    path = tmp_path / "claims" / "part"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "claimed\n"
        with pytest.raises(ClaimedError), claim(path):
            pass
        other.kill()
    with claim(path):
        pass


def test_processes_share_a_folder_without_doing_a_part_twice(tmp_path):
    small = {"episodes": 2, "seed": 10, "domain": "nominal", "max_steps": 4}
    runs = {name: {"mode": "frozen", "settings": {"steps": 1}} for name in ("frozen", "again")}
    study = write_study(tmp_path, demonstrations=small, runs=runs)
    folder = tmp_path / "results"
    command = [sys.executable, "-c", "from lossless_ros.cli.app import main; main()"]
    command += ["study", study, "--folder", str(folder), "--workers", "1"]
    processes = [subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    lines = [process.communicate(timeout=500)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], lines
    assert len(rows(folder / "episodes.csv")) == len(rows(folder / "curves.csv")) == 4
    assert "".join(lines).count("held-out loss") == 2


def policies(study, losses: dict[str, dict[int, float]]) -> list[Policy]:
    """Return policies whose training returned these held-out losses by step, of each run."""
    found = []
    for training in study.trainings():
        curve = [{"step": step, "held_out_loss": loss} for step, loss in losses[training.run_name].items()]
        last = {"steps": curve[-1]["step"], "held_out_loss": curve[-1]["held_out_loss"], "seconds": 1.0}
        result = {**last, "curve": curve, "parameters": {"trained": 10}, "data": {"episodes": 2}}
        found.append(Policy(training, result))
    return found


def episode(run: str, training_seed: int, step: int, seed: int, success: bool) -> dict[str, str]:
    labels = {"run": run, "task": TASK, "training_seed": training_seed, "step": step, "domain": "lab", "seed": seed}
    return {name: str(value) for name, value in {**labels, "success": int(success), "stage": "left"}.items()}


def test_summary_pools_training_seeds_and_pairs_with_the_reference(tmp_path):
    study = load_study(write_study(tmp_path, seeds=[0, 1], reference="top"))
    ours = [episode("frozen", t, 2, s, s < 8) for t in (0, 1) for s in range(10)]
    theirs = [episode("top", t, 1, s, s < 9) for t in (0, 1) for s in range(10)]
    summary = summarize(study, policies(study, {"frozen": {2: 1.0}, "top": {1: 1.0}}), ours + theirs) | {"failed": []}
    cell = summary["cells"][0]
    assert (cell["successes"], cell["n"], cell["per_training_seed"]) == (16, 20, {"0": 8, "1": 8})
    assert cell["against_reference"]["n"] == 20 and cell["against_reference"]["only_theirs"] == 2
    assert "against_reference" not in summary["cells"][1]
    first, second = table(summary)
    assert first.startswith("frozen") and "16 of 20" in first and "-10 points" in first
    assert "points" not in second
    assert "80 % [58, 92], n 20<br>-10 [" in "\n".join(markdown(summary))


def test_checkpoints_are_chosen_by_rollouts_and_by_held_out_loss(tmp_path):
    evaluation = {"domains": ["lab"], "episodes": 4, "checkpoints": 3}
    quick = {"settings": {"num_validations": 3}, "mode": "frozen"}
    study = load_study(write_study(tmp_path, evaluation=evaluation, runs={"frozen": quick}))
    successes = {1: "1010", 2: "1101", 3: "0100"}  # by step, of the seeds 0 to 3
    found = [episode("frozen", 0, k, s, flag == "1") for k, flags in successes.items() for s, flag in enumerate(flags)]
    losses = {"frozen": {1: 0.5, 2: 0.3, 3: 0.1}}
    cell = summarize(study, policies(study, losses), found)["cells"][0]
    choices = cell["checkpoints"]
    assert (cell["successes"], choices["best"]["successes"], choices["by_held_out_loss"]["successes"]) == (1, 3, 1)
    # On odd seeds step 2 is best, on even ones step 1: counted on the others, 1 of seeds 0 and 2, and 0 of 1 and 3.
    assert (choices["by_rollouts"]["successes"], choices["by_rollouts"]["n"]) == (1, 4)
    assert choices["mean"]["rate"] == 0.5 and choices["mean"]["n"] == 4
    assert choices["rollouts_against_loss"]["n"] == 4


def test_estimate_is_a_lower_bound_until_every_kind_was_done():
    estimate, left = Estimate(), [Work("steps", "a", 10), Work("episodes", "a", 2)]
    assert estimate.describe(left) == "10 steps, 2 episodes"
    estimate.note(Work("steps", "b", 5), 10.0)
    assert estimate.describe(left) == "10 steps, 2 episodes: at least 20 s"
    estimate.note(Work("episodes", "a", 1), 5.0)
    assert estimate.describe(left) == "10 steps, 2 episodes: about 30 s"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": "fulll"}, "reference is 'fulll', expected one of frozen, top"),
        ({"runs": {"a": {"mode": "half"}}}, "runs.a: mode is 'half', expected one of frozen"),
        ({"runs": {"a/b": {"mode": "top"}}}, "run 'a/b' names a folder: expected letters"),
        ({"runs": {"a": {"mode": "top", "backbone": "resnet51"}}}, "unknown backbone 'resnet51'; known: "),
        ({"runs": {"frozen": {"mode": "frozen", "settings": {"step": 1}}}}, "run frozen: settings: unknown key 'step'"),
        ({"tasks": ["rgb_stacking/triplet9"]}, "unknown task 'rgb_stacking/triplet9'; known: rgb_stacking/triplet1"),
        ({"suites": {"metaworld": {}}}, "suites has 'metaworld', the tasks are of rgb_stacking"),
        ({"suites": {"rgb_stacking": {"evaluation": {"epsodes": 1}}}}, "evaluation: unknown key 'epsodes'"),
        (
            {"evaluation": {"domains": ["nominal"], "episodes": 1, "checkpoints": 2}},
            "run frozen: evaluation.checkpoints is 2, expected at most num_validations, which is 1",
        ),
        (
            {"evaluation": {"domains": ["config/domains/nominal.yaml"], "episodes": 12}},
            "evaluation has the seeds 10 to 11 of the demonstrations in nominal; choose another evaluation.seed",
        ),
        ({"tasks": []}, "expected at least one run, task and seed"),
        ({"demonstrations": {"episodes": 3}}, "demonstrations: missing key 'seed'"),
    ],
)
def test_invalid_study_is_one_line(tmp_path, changes, message):
    with pytest.raises(LosslessError, match=message):
        load_study(write_study(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runs": {"a": {"mode": "top", "weights": "none.pth"}}}, "run a: .*none.pth"),
        (
            {"runs": {"a": {"mode": "top", "backbone": "resnet50.a1_in1k"}}},
            "run a: the weights of resnet50.a1_in1k are",
        ),
        (
            {"runs": {"a": {"mode": "top", "episodes": 4}}},
            "run a, .*: 4 of 3 demonstrations are used, expected at least",
        ),
        (
            {
                "runs": {"a": {"mode": "top", "settings": {"object_width_weight": 1.0}}},
                "tasks": [BUTTON],
                "contract": "metaworld",
            },
            "run a, metaworld/button-press-topdown:top_cap2: object_width_weight needs the orientation of tcp_pose",
        ),
        ({"tasks": [BUTTON]}, "contract rgb_stacking_tcp has camera"),
        ({"evaluation": {"domains": ["moon"], "episodes": 2}}, "unknown domain 'moon'"),
        ({"evaluation": {"episodes": 2, "runtime": "abacus"}}, "unknown runtime 'abacus'"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_runs(tmp_path, monkeypatch, changes, message):
    monkeypatch.delenv("LOSSLESS_ALLOW_HUB", raising=False)
    folder = tmp_path / "results"
    with pytest.raises(LosslessError, match=message) as refused:
        StudyFolder(load_study(write_study(tmp_path, **changes)), folder).run()
    assert "\n" not in str(refused.value) and not folder.exists()


def test_a_folder_of_an_earlier_version_is_refused(tmp_path):
    (tmp_path / "episodes.csv").write_text("run,task,training_seed,domain,seed,success\nfrozen,a/b,0,lab,0,1\n")
    with pytest.raises(LosslessError, match="is of an earlier version of lossless study; give another --folder"):
        StudyFolder(load_study(write_study(tmp_path)), tmp_path).run()


def test_shipped_studies_name_what_exists():
    study = load_study("rgb_stacking")
    assert len(study.trainings()) == 2 * (5 + 6)
    with pytest.raises(LosslessError, match="unknown run 'tops'"):
        study.trainings(("tops",))
    paper = load_study("paper")
    assert len(paper.trainings()) == 14 * 35 * 3
    assert {plan.evaluation.domains for plan in map(paper.plan, paper.tasks)} == {("nominal",), ("lab",)}
