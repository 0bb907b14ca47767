"""A study, small but real: demonstrations, trainings and evaluations in simulation, resumed and extended."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from lossless_ros.errors import LosslessError
from lossless_ros.study.config import load_study
from lossless_ros.study.runner import StudyFolder
from lossless_ros.study.summary import summarize, table

TASK = "rgb_stacking/triplet5"
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


def write_study(folder: Path, **changes: object) -> str:
    (folder / "quick.yaml").write_text(yaml.safe_dump({**QUICK, "image_size": 128, "threads": 1}))
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({**STUDY, "training": str(folder / "quick.yaml"), **changes}))
    return str(path)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def test_study_runs_and_resumes(tmp_path):
    events: list[str] = []
    study, folder = load_study(write_study(tmp_path)), tmp_path / "results"
    StudyFolder(study, folder, on_event=events.append).run(("frozen",))
    assert (folder / "frozen" / "triplet5_0.safetensors").exists()
    assert not (folder / "top").exists()
    summary = StudyFolder(study, folder, on_event=events.append).run()
    assert [(c["run"], c["n"]) for c in summary["cells"]] == [("frozen", 2), ("top", 2)]
    assert summary["cells"][1]["against_reference"]["n"] == 2
    assert json.loads((folder / "summary.json").read_text()) == summary
    result = json.loads((folder / "top" / "triplet5_0.json").read_text())
    assert result["data"]["episodes"] + result["data"]["held_out_episodes"] == 2
    assert {row["run"] for row in rows(folder / "curves.csv")} == {"frozen", "top"}
    done = len(events)
    assert StudyFolder(study, folder, on_event=events.append).run() == summary
    assert len(events) == done  # nothing is made again
    assert [row["seed"] for row in rows(folder / "episodes.csv")] == ["0", "1", "0", "1"]
    changed = STUDY["runs"] | {"top": {"mode": "top", "settings": {"steps": 3}}}
    with pytest.raises(LosslessError, match=r"top/triplet5_0.safetensors was trained with another episodes: 2"):
        StudyFolder(load_study(write_study(tmp_path, runs=changed)), folder).run()


def test_summary_pools_training_seeds_and_pairs_with_the_reference():
    def episode(run: str, training_seed: int, seed: int, success: int) -> dict[str, str]:
        values = {"run": run, "task": TASK, "training_seed": training_seed, "domain": "lab", "seed": seed}
        return {name: str(value) for name, value in {**values, "success": success}.items()} | {"stage": "left"}

    ours = [episode("adapters", t, s, s < 8) for t in (0, 1) for s in range(10)]
    theirs = [episode("full", t, s, s < 9) for t in (0, 1) for s in range(10)]
    for row in ours + theirs:
        row["success"] = str(int(row["success"] == "True"))
    summary = summarize(ours + theirs, "full")
    cell = summary["cells"][0]
    assert (cell["successes"], cell["n"], cell["per_training_seed"]) == (16, 20, {"0": 8, "1": 8})
    assert cell["against_reference"]["n"] == 20 and cell["against_reference"]["only_theirs"] == 2
    assert "against_reference" not in summary["cells"][1]
    first, second = table(summary)
    assert first.startswith("adapters") and "16 of 20" in first and "-10 points" in first
    assert "points" not in second


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": "fulll"}, "reference is 'fulll', expected one of frozen, top"),
        ({"runs": {"a": {"mode": "half"}}}, "runs.a: mode is 'half', expected one of frozen"),
        ({"runs": {"frozen": {"mode": "frozen", "settings": {"step": 1}}}}, "run frozen: settings: unknown key 'step'"),
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


def test_shipped_study_names_what_exists():
    study = load_study("rgb_stacking")
    assert len(study.trainings()) == 2 * (5 + 6)
    with pytest.raises(LosslessError, match="unknown run 'tops'"):
        study.trainings(("tops",))
