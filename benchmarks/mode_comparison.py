"""Do adapters come close to full fine-tuning, and frozen features not? One triplet, one small budget for all modes.

    python -m benchmarks.mode_comparison --folder work --seeds 0 1

Writes mode_comparison.csv (a row per episode), mode_comparison_curves.csv and mode_comparison.json into the folder. The
same command resumes. Several processes may share the folder, each with its own --seeds. Other settings are another
comparison and belong in another folder.
"""

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import write_summary
from benchmarks.policies import BACKBONE, Demonstrations, Workspace, training_summary
from lossless_ros.evaluation.episode_table import read_rows, select, totals
from lossless_ros.provenance import versions
from lossless_ros.training.behavior_cloning import TrainConfig, train
from lossless_ros.training.checkpoint import checkpoint_path
from lossless_ros.training.dagger import DaggerConfig, dagger
from lossless_ros.training.hyperparameters import load_hyperparameters

HERE = Path(__file__).resolve().parent
TASK = "rgb_stacking/triplet1"
MODES, DOMAINS = ("frozen", "adapters", "full"), ("lab", "randomized")
DAGGER = "dagger"  # adapters after rounds of DAgger
TABLE, CURVES = "mode_comparison", "mode_comparison_curves"


@dataclass(frozen=True)
class Rounds:
    """DAgger on the adapters."""

    rounds: int
    episodes: int
    demonstrations: int  # of those that the adapters were trained on
    config: str


@dataclass(frozen=True)
class ModeComparison:
    """The parts of the comparison, each made when it is needed."""

    work: Workspace
    data: Demonstrations
    config: str
    dagger: Rounds

    def run(self, seed: int) -> None:
        """Train and evaluate all modes with one training seed, and write the summary."""
        modes = (*MODES, DAGGER) if self.dagger.rounds else MODES
        for mode in modes:
            if any(self._missing(mode, seed)):
                self.work.store_curve(CURVES, {"mode": mode, "training_seed": seed}, self.training(mode, seed))
        for mode in modes:
            for domain in self._missing(mode, seed):
                self.work.evaluate(TABLE, _labels(mode, seed, domain), f"{mode}_{seed}", TASK, domain)
            self.write()

    def training(self, mode: str, seed: int) -> dict[str, Any]:
        """Train a mode, unless that is done; return what its training returned."""
        make = (lambda: self._dagger(seed)) if mode == DAGGER else (lambda: self._train(mode, seed))
        return self.work.training(f"{mode}_{seed}", make)

    def write(self) -> None:
        """Write the settings and the totals of the episodes so far."""
        rows = read_rows(self.work.folder / f"{TABLE}.csv")
        results: dict[str, dict[str, Any]] = {domain: {} for domain in DOMAINS}
        for domain in DOMAINS:
            for mode in (*MODES, DAGGER):
                episodes = select(rows, mode=mode, domain=domain)
                if episodes:
                    results[domain][mode] = totals(episodes)
        names = sorted(path.name.split(".")[0] for path in self.work.folder.glob("*_*.training.json"))
        document = {
            "versions": versions(),
            "task": TASK,
            "backbone": BACKBONE,
            "demonstrations": self.data.summary(),
            "hyperparameters": dataclasses.asdict(load_hyperparameters(self.config)),
            "trainings": {name: training_summary(self.training(*_mode_and_seed(name))) for name in names},
            "results": results,
        }
        write_summary(self.work.folder / f"{TABLE}.json", document, ("trainings", "results"))

    def _missing(self, mode: str, seed: int) -> list[str]:
        """Return the domains in which episodes are missing."""
        return [domain for domain in DOMAINS if self.work.missing(TABLE, _labels(mode, seed, domain))]

    def _train(self, mode: str, seed: int) -> dict[str, Any]:
        out = self.work.bundle(f"{mode}_{seed}")
        print(f"training {mode}, seed {seed}", flush=True)
        return train(
            TrainConfig(
                data=self.work.demonstrations(self.data),
                out=out,
                backbone=BACKBONE,
                mode=mode,
                hyperparameters=dataclasses.replace(load_hyperparameters(self.config), seed=seed),
                resume=checkpoint_path(out).exists(),
            )
        )

    def _dagger(self, seed: int) -> dict[str, Any]:
        self.training("adapters", seed)
        print(f"DAgger, seed {seed}", flush=True)
        return dagger(
            DaggerConfig(
                bundle=self.work.bundle(f"adapters_{seed}"),
                data=self.work.demonstrations(self.data)[: self.dagger.demonstrations],
                folder=self.work.folder / f"rounds_{seed}",
                out=self.work.bundle(f"{DAGGER}_{seed}"),
                rounds=self.dagger.rounds,
                hyperparameters=dataclasses.replace(load_hyperparameters(self.dagger.config), seed=seed),
                episodes=self.dagger.episodes,
                workers=self.work.workers,
                runtime=self.work.runtime,
            )
        )


def _labels(mode: str, seed: int, domain: str) -> dict[str, object]:
    return {"mode": mode, "training_seed": seed, "domain": domain}


def _mode_and_seed(name: str) -> tuple[str, int]:
    mode, _, seed = name.rpartition("_")
    return mode, int(seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for demonstrations, policies and results")
    parser.add_argument("--config", default=str(HERE / "mode_comparison.yaml"), help="training settings")
    parser.add_argument("--demonstrations", type=int, default=240)
    parser.add_argument("--expert-noise", type=float, default=0.3, help="disturbs the expert; labels stay clean")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="training seeds")
    parser.add_argument("--episodes", type=int, default=50, help="of each evaluation")
    parser.add_argument("--runtime", default="openvino", help="that runs the policies: torch or openvino")
    parser.add_argument("--rounds", type=int, default=3, help="of DAgger on the adapters; 0: none")
    parser.add_argument("--round-episodes", type=int, default=16)
    parser.add_argument("--round-demonstrations", type=int, default=80, help="that each round trains on again")
    parser.add_argument(
        "--round-config", default=str(HERE / "mode_comparison_round.yaml"), help="its training settings"
    )
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    comparison = ModeComparison(
        Workspace(options.folder, options.episodes, options.workers, options.runtime),
        Demonstrations("randomized", options.demonstrations, 10_000, options.expert_noise, TASK),
        options.config,
        Rounds(options.rounds, options.round_episodes, options.round_demonstrations, options.round_config),
    )
    for seed in options.seeds:
        comparison.run(seed)


if __name__ == "__main__":
    main()
