"""What does a policy need to stack? Recipes with other data, experts, modes and budgets, evaluated in `lab`.

    python -m benchmarks.ablations --folder work --recipes adapters_lab dagger_lab

The domain `lab` is for evaluation. Recipes that end in _lab train in it all the same, to measure what the domain shift
costs; their rates do not answer the question of sim-to-real transfer. Writes ablations.csv (a row per episode),
ablations_curves.csv and ablations.json into the folder. The same command resumes.
"""

import argparse
import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import read_summary, write_summary
from benchmarks.policies import BACKBONE, Demonstrations, Workspace, training_summary
from lossless_ros.contract import load_contract
from lossless_ros.episodes.cache import decode_episodes
from lossless_ros.episodes.reader import find_episodes
from lossless_ros.evaluation.episode_table import read_rows, select, totals
from lossless_ros.models.bundle import read_bundle
from lossless_ros.provenance import versions
from lossless_ros.training.behavior_cloning import TrainConfig, train
from lossless_ros.training.checkpoint import checkpoint_path
from lossless_ros.training.dagger import DaggerConfig, dagger
from lossless_ros.training.hyperparameters import load_hyperparameters

HERE = Path(__file__).resolve().parent
DOMAIN = "lab"
GRID_RECIPE = str(HERE / "stacking_grid.yaml")
TABLE, CURVES = "ablations", "ablations_curves"
BETA = 0.3  # probability that the expert drives, to the power of the round
TRIPLET1, TRIPLET5 = "rgb_stacking/triplet1", "rgb_stacking/triplet5"


@dataclass(frozen=True)
class Recipe:
    """One policy: its mode, its demonstrations, and what differs from the settings in `config`."""

    mode: str
    data: Demonstrations
    changes: dict[str, Any] = field(default_factory=dict)
    init_from: str = ""  # recipe whose policy the training starts from
    rounds: int = 0  # of DAgger; 0: behavior cloning
    round_episodes: int = 40
    config: str = str(HERE / "ablations.yaml")


FINE_TUNING = {"steps": 700, "learning_rate": 0.0005, "warmup_steps": 20, "num_validations": 2}  # one round of DAgger
TWO_THREADS = {"threads": 2}
SMALL_SHIFT = {**TWO_THREADS, "random_shift": 0.016}  # 2 px, as far as the domain moves the cameras
CACHED = {"batch_size": 64, "num_validations": 10, "val_frames": 512}
LAB = Demonstrations("lab", 160, 20_000, 0.2, TRIPLET1)
RANDOMIZED = Demonstrations("randomized", 400, 10_000, 0.3, TRIPLET1)
# the expert `lenient` was removed; its stored results stay
LENIENT = Demonstrations("randomized", 240, 30_000, 0.3, TRIPLET5, "lenient")
REACTIVE = Demonstrations("randomized", 400, 40_000, 0.3, TRIPLET5, "reactive")
RECIPES = {
    "top_lab": Recipe("top", LAB, {**CACHED, "steps": 4000}),
    "top_mixture_lab": Recipe("top", LAB, {**CACHED, "steps": 1600, "num_modes": 5}),
    "adapters_lab": Recipe("adapters", LAB),
    "filter_noops_lab": Recipe("adapters", LAB, {**FINE_TUNING, "noop_threshold": 0.05}, "adapters_lab"),
    "dagger_lab": Recipe("adapters", LAB, FINE_TUNING, "adapters_lab", 2),
    "adapters_randomized": Recipe(
        "adapters", RANDOMIZED, {"steps": 4000, "head_warmup_steps": 1200, "cached_frame_stride": 4}
    ),
    "triplet5_randomized": Recipe(
        "adapters", LENIENT, {**TWO_THREADS, "steps": 2500, "warmup_steps": 50}, "adapters_randomized"
    ),
    "triplet5_dagger": Recipe("adapters", LENIENT, {**FINE_TUNING, **TWO_THREADS}, "triplet5_randomized", 5),
    # stored results of these two are from an earlier version of the expert `reactive`
    "reactive": Recipe("adapters", REACTIVE, {**SMALL_SHIFT, "steps": 5000, "warmup_steps": 50}, "triplet5_randomized"),
    "reactive_dagger": Recipe("adapters", REACTIVE, {**SMALL_SHIFT, **FINE_TUNING, "steps": 1500}, "reactive", 1, 60),
    "adapters_seed0": Recipe("adapters", REACTIVE, config=GRID_RECIPE),
    "adapters_seed1": Recipe("adapters", REACTIVE, {"seed": 1}, config=GRID_RECIPE),
    "adapters_8k_steps": Recipe("adapters", REACTIVE, {"steps": 4000}, "adapters_seed1", config=GRID_RECIPE),
    "frozen": Recipe("frozen", REACTIVE, config=GRID_RECIPE),
    "full": Recipe("full", REACTIVE, config=GRID_RECIPE),
}


@dataclass(frozen=True)
class Ablations:
    """The recipes in one workspace, each trained when it is needed."""

    work: Workspace

    def run(self, name: str) -> None:
        """Train and evaluate a recipe as far as that is missing, and add it to the summary."""
        if not self.work.missing(TABLE, {"recipe": name}):
            return
        self.work.store_curve(CURVES, {"recipe": name}, self.training(name))
        self.work.evaluate(TABLE, {"recipe": name}, name, RECIPES[name].data.task, DOMAIN)
        self.write(name)

    def training(self, name: str) -> dict[str, Any]:
        """Train a recipe, unless that is done; return what its training returned."""
        recipe = RECIPES[name]
        if recipe.init_from:
            self.training(recipe.init_from)
        make = self._dagger if recipe.rounds else self._train
        return self.work.training(name, lambda: make(name))

    def expert_close_rate(self, name: str) -> dict[str, float]:
        """Return the share of frames in which the expert closes the gripper: of demonstrations and of each round."""
        recipe, contract = RECIPES[name], load_contract("rgb_stacking")
        folders = {"demonstrations": self.work.bags(recipe.data)}
        for number in range(1, recipe.rounds + 1):
            folders[f"round_{number}"] = self._rounds(name) / f"round_{number:02d}"

        def rate(folder: Path) -> float:
            episodes = decode_episodes(find_episodes([folder]), contract)
            return float(np.concatenate([episode.actions[:, -1] > 0 for episode in episodes]).mean())

        def rates() -> dict[str, float]:
            return {label: rate(folder) for label, folder in folders.items()}

        return self.work.stored(f"{name}.close_rate.json", rates)  # it reads all episodes

    def write(self, name: str) -> None:
        """Add one recipe to the summary; recipes that are in it already stay."""
        path = self.work.folder / f"{TABLE}.json"
        document = read_summary(path) or {
            "backbone": BACKBONE,
            "domain": DOMAIN,
            "hyperparameters": json.loads(json.dumps(dataclasses.asdict(load_hyperparameters(GRID_RECIPE)))),
            "recipes": {},
        }
        recipe, shared = RECIPES[name], document["hyperparameters"]
        config = read_bundle(self.work.bundle(name)).provenance["config"]  # of the last training
        summary = {
            "task": recipe.data.task,
            "mode": recipe.mode,
            **({"init_from": recipe.init_from} if recipe.init_from else {}),
            "demonstrations": recipe.data.summary(),
            "hyperparameters": {key: value for key, value in config.items() if value != shared[key]},
            "expert_close_rate": self.expert_close_rate(name),
            "training": training_summary(self.training(name)),
            "result": totals(select(read_rows(self.work.folder / f"{TABLE}.csv"), recipe=name)),
            "versions": versions(),
        }
        recipes = document["recipes"] | {name: summary}
        document["recipes"] = {name: recipes[name] for name in RECIPES if name in recipes}
        write_summary(path, document, ("recipes",))

    def _train(self, name: str) -> dict[str, Any]:
        recipe, out = RECIPES[name], self.work.bundle(name)
        print(f"training {name}", flush=True)
        return train(
            TrainConfig(
                data=self.work.demonstrations(recipe.data),
                out=out,
                backbone=BACKBONE,
                mode=recipe.mode,
                hyperparameters=dataclasses.replace(load_hyperparameters(recipe.config), **recipe.changes),
                resume=checkpoint_path(out).exists(),
                init_from=self.work.bundle(recipe.init_from) if recipe.init_from else None,
            )
        )

    def _dagger(self, name: str) -> dict[str, Any]:
        recipe = RECIPES[name]
        print(f"DAgger {name}", flush=True)
        return dagger(
            DaggerConfig(
                bundle=self.work.bundle(recipe.init_from),
                data=self.work.demonstrations(recipe.data),
                folder=self._rounds(name),
                out=self.work.bundle(name),
                rounds=recipe.rounds,
                hyperparameters=dataclasses.replace(load_hyperparameters(recipe.config), **recipe.changes),
                episodes=recipe.round_episodes,
                domain=recipe.data.domain,
                expert=recipe.data.expert,
                beta=BETA,
                workers=self.work.workers,
                runtime=self.work.runtime,
            )
        )

    def _rounds(self, name: str) -> Path:
        return self.work.folder / f"rounds_{name}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for demonstrations, policies and results")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--episodes", type=int, default=50, help="of each evaluation")
    parser.add_argument("--runtime", default="openvino", help="that runs the policies: torch or openvino")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    ablations = Ablations(Workspace(options.folder, options.episodes, options.workers, options.runtime))
    for name in options.recipes:
        ablations.run(name)


if __name__ == "__main__":
    main()
