"""Do adapters come near full fine-tuning, and frozen features not? One triplet, closed loop, the same budget for all.

    python benchmarks/study.py --folder study

Every part is kept in the folder as soon as it is done; the same command goes on where it was, and writes what there is
so far to study.json and study.md beside this file. Another --config is another study and belongs in another folder
(the demonstrations can be linked into it).
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lossless_ros.contract import load_contract
from lossless_ros.episodes.collect import collect, episode_name
from lossless_ros.evaluation.rollout import evaluate
from lossless_ros.training.behaviour_cloning import train
from lossless_ros.training.checkpoint import checkpoint_path
from lossless_ros.training.config import load_training_config

HERE = Path(__file__).resolve().parent
TASK, BACKBONE, CONTRACT = "rgb_stacking/triplet1", "tf_efficientnet_lite0", "rgb_stacking"
MODES, DOMAINS = ("frozen", "adapters", "full"), ("lab", "randomized")
FIRST_DEMONSTRATION, FIRST_EVALUATION = 10_000, 0  # seeds; those of the evaluation are never trained on


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The document at `path`, made first if it is not there yet."""
    if not path.exists():
        document = make()
        part = path.with_name(f".{path.name}.part")
        part.write_text(json.dumps(document, indent=1) + "\n")
        os.replace(part, path)
    return dict(json.loads(path.read_text()))


def say(line: str) -> None:
    print(line, flush=True)


class Study:
    """The parts of the study, each made when it is asked for the first time."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder: Path = options.folder
        self.config = load_training_config(str(options.config))

    def demonstrations(self) -> list[Path]:
        """The expert's episodes in `randomized`."""
        out, n = self.folder / "expert", self.options.demonstrations
        collect(TASK, n, FIRST_DEMONSTRATION, "randomized", out, "scripted", CONTRACT, self.options.workers)
        return [out / episode_name(FIRST_DEMONSTRATION + i) for i in range(n)]

    def training(self, mode: str, seed: int) -> dict[str, Any]:
        """The bundle MODE_SEED.safetensors and what its training said."""
        import dataclasses

        bundle = self.folder / f"{mode}_{seed}.safetensors"
        config = dataclasses.replace(self.config, seed=seed)

        def make() -> dict[str, Any]:
            say(f"training {mode}, seed {seed}")
            resume = checkpoint_path(bundle).exists()
            return train(self.demonstrations(), BACKBONE, mode, bundle, config, load_contract(CONTRACT), resume)

        return kept(bundle.with_suffix(".training.json"), make)

    def evaluation(self, mode: str, seed: int, domain: str) -> dict[str, Any]:
        """Closed loop of that bundle."""
        bundle = self.folder / f"{mode}_{seed}.safetensors"

        def make() -> dict[str, Any]:
            say(f"evaluating {mode}, seed {seed}, in {domain}")
            return evaluate(TASK, domain, self.options.episodes, FIRST_EVALUATION, bundle, workers=self.options.workers)

        return kept(self.folder / f"{mode}_{seed}_{domain}.json", make)


def main() -> None:
    """Do what is missing and write the documents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="everything the study makes")
    parser.add_argument("--config", type=Path, default=HERE / "study.yaml", help="training settings")
    parser.add_argument("--demonstrations", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--episodes", type=int, default=50, help="of each evaluation")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only-train", action="store_true", help="leave the evaluations for later")
    study = Study(options := parser.parse_args())
    for seed in range(options.seeds):
        for mode in MODES:
            training = study.training(mode, seed)
            say(f"{mode} {seed}: held-out loss {training['held_out_loss']:.4f} after {training['seconds']:.0f} s")
            for domain in () if options.only_train else DOMAINS:
                evaluation = study.evaluation(mode, seed, domain)
                say(f"{mode} {seed} {domain}: {evaluation['successes']} of {evaluation['n']}")


if __name__ == "__main__":
    main()
