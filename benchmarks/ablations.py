"""What keeps the study's policies from stacking? The same task with other data and more of it, evaluated in `lab`.

    python -m benchmarks.limits --folder limits --recipes adapters_lab dagger_lab

The domain `lab` is for evaluation. Recipes ending in _lab train in it all the same, to tell what the change of the
scene's looks costs; their rates are no answer to the study's question. Every part is kept in the folder as soon as it
is done; the same command goes on where it was, and writes what there is so far to limits.json and limits.md beside
this file.
"""

import argparse
import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.study import (
    BACKBONE,
    CONTRACT,
    PART,
    SHOWN,
    Demonstrations,
    demonstrate,
    evaluate_part,
    kept,
    rate,
    say,
    without_paths,
)
from lossless_ros.contract import load_contract
from lossless_ros.episodes.cache import decode_episodes
from lossless_ros.episodes.reader import find_episodes
from lossless_ros.evaluation.rollout import summarize
from lossless_ros.models.bundle import read_bundle, write_atomically
from lossless_ros.training.behaviour_cloning import train
from lossless_ros.training.checkpoint import checkpoint_path
from lossless_ros.training.config import load_training_config
from lossless_ros.training.dagger import Plan, dagger

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Recipe:
    mode: str
    data: Demonstrations
    config: dict[str, Any] = field(default_factory=dict)  # what it changes in the settings
    after: str = ""  # the recipe whose policy goes on learning
    rounds: int = 0  # of DAgger; 0: behaviour cloning
    episodes: int = 40  # of each round
    settings: str = str(HERE / "limits.yaml")


ON: dict[str, Any] = {"steps": 700, "learning_rate": 0.0005, "warm_up": 20, "looks": 2}  # a round, and what matches it
BOTH = {"threads": 2}  # nothing else trains beside it
LESS_SHIFT = {**BOTH, "shift": 0.016}  # 2 px; the domain moves the cameras by as much
LAB, RANDOMIZED = Demonstrations("lab", 160, 20_000, 0.2), Demonstrations("randomized", 400, 10_000, 0.3)
EASIER = Demonstrations("randomized", 240, 30_000, 0.3, "rgb_stacking/triplet5", "lenient")
REACTIVE = Demonstrations("randomized", 400, 40_000, 0.3, "rgb_stacking/triplet5", "reactive")
BETA = 0.3
RECIPES = {
    "top_lab": Recipe("top", LAB, {"steps": 4000, "batch": 64, "looks": 10, "look_frames": 512}),
    "top_mixture_lab": Recipe("top", LAB, {"steps": 1600, "batch": 64, "looks": 10, "look_frames": 512, "mixture": 5}),
    "adapters_lab": Recipe("adapters", LAB),
    "not_idle_lab": Recipe("adapters", LAB, {**ON, "idle": 0.05}, "adapters_lab"),
    "dagger_lab": Recipe("adapters", LAB, ON, "adapters_lab", 2),
    "adapters_randomized": Recipe("adapters", RANDOMIZED, {"steps": 4000, "head_start": 1200, "feature_stride": 4}),
    "triplet5_randomized": Recipe("adapters", EASIER, {**BOTH, "steps": 2500, "warm_up": 50}, "adapters_randomized"),
    "triplet5_dagger": Recipe("adapters", EASIER, {**ON, **BOTH}, "triplet5_randomized", 5),
    # their figures here are by the expert before it was mended; the next ones' by the mended one
    "reactive": Recipe("adapters", REACTIVE, {**LESS_SHIFT, "steps": 5000, "warm_up": 50}, "triplet5_randomized"),
    "reactive_dagger": Recipe("adapters", REACTIVE, {**LESS_SHIFT, **ON, "steps": 1500}, "reactive", 1, 60),
    "mended": Recipe("adapters", REACTIVE, settings="stacking"),
    "mended_again": Recipe("adapters", REACTIVE, {"seed": 1}, settings="stacking"),
    "mended_longer": Recipe("adapters", REACTIVE, {"steps": 4000}, "mended_again", settings="stacking"),
    "mended_frozen": Recipe("frozen", REACTIVE, settings="stacking"),
    "mended_full": Recipe("full", REACTIVE, settings="stacking"),
}


class Limits:
    """The recipes' parts, each made when it is asked for the first time."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.folder = options, options.folder

    def run(self) -> None:
        for name in self.options.recipes:
            self.training(name)
            for first in range(0, self.options.episodes, PART):
                part = evaluate_part(self.bundle(name), "lab", first, self.options, RECIPES[name].data.task)
                say(f"{name} from {first}: {part['successes']} of {part['n']}, {part['phases']}")
                self.write()

    def demonstrations(self, data: Demonstrations) -> list[Path]:
        return demonstrate(self.folder / data.folder, data, self.options.workers)

    def training(self, name: str) -> dict[str, Any]:
        """What the training of NAME.safetensors said."""
        recipe, out = RECIPES[name], self.bundle(name)
        config = dataclasses.replace(load_training_config(recipe.settings), **recipe.config)
        if recipe.after:
            self.training(recipe.after)

        def make() -> dict[str, Any]:
            say(f"training {name}")
            data = self.demonstrations(recipe.data)
            begin = self.bundle(recipe.after) if recipe.after else None
            if begin is None or not recipe.rounds:
                resume = checkpoint_path(out).exists()
                parts = (data, BACKBONE, recipe.mode, out, config, load_contract(CONTRACT), resume)
                return train(*parts, begin=begin)
            folder = self.folder / f"rounds_{name}"
            world = (recipe.data.domain, recipe.data.expert)
            plan = Plan(begin, tuple(data), folder, config, recipe.episodes, *world, beta=BETA)
            return dagger(plan, recipe.rounds, out, self.options.workers, self.options.runtime)

        return kept(out.with_suffix(".training.json"), make)

    def told_to_close(self, name: str) -> dict[str, float]:
        """Share of the frames in which the expert closes the gripper: of the demonstrations, and of each round."""
        recipe = RECIPES[name]
        folders = {"demonstrations": self.folder / recipe.data.folder}
        for number in range(1, recipe.rounds + 1):
            folders[f"round {number}"] = self.folder / f"rounds_{name}" / f"round_{number:02d}"
        contract = load_contract(CONTRACT)

        def share(folder: Path) -> float:
            episodes = decode_episodes(find_episodes([folder]), contract)
            return float(np.concatenate([episode.actions[:, -1] > 0 for episode in episodes]).mean())

        path = self.folder / f"{name}.told_to_close.json"  # reading all episodes takes its time
        return kept(path, lambda: {which: share(folder) for which, folder in folders.items()})

    def bundle(self, name: str) -> Path:
        path: Path = self.folder / f"{name}.safetensors"
        return path

    def write(self) -> None:
        """limits.json and limits.md of what there is so far, with the recipes of other folders as they were."""
        path, made = self.options.json, {}
        for name, recipe in RECIPES.items():
            training = self.bundle(name).with_suffix(".training.json")
            parts = [json.loads(part.read_text()) for part in sorted(self.folder.glob(f"{name}.lab.*.json"))]
            if parts and training.exists():
                made[name] = {
                    "demonstrations": dataclasses.asdict(recipe.data),
                    "mode": recipe.mode,
                    "config": read_bundle(self.bundle(name)).provenance["config"],  # of the last training
                    "told_to_close": self.told_to_close(name),
                    "training": without_paths(json.loads(training.read_text())),
                    "result": summarize(
                        recipe.data.task, "lab", [episode for part in parts for episode in part["episodes"]]
                    ),
                }
        made = (json.loads(path.read_text())["recipes"] if path.exists() else {}) | made
        document = {"backbone": BACKBONE, "recipes": {name: made[name] for name in RECIPES if name in made}}
        write_atomically(path, (json.dumps(document, indent=1) + "\n").encode())
        write_atomically(path.with_suffix(".md"), table(document).encode())


def table(document: dict[str, Any]) -> str:
    """The recipes in Markdown, a row each."""
    columns = ("recipe", "held-out loss, least and last", "success", "95 %", "told to close", *SHOWN)
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, part in document["recipes"].items():
        result, training = part["result"], part["training"]
        curve = (training["rounds"][-1]["training"] if "rounds" in training else training)["curve"]
        losses = [point["held_out_loss"] for point in curve]
        cells = [
            f"{min(losses):.3f}, {losses[-1]:.3f}",
            *rate(result),
            ", ".join(f"{share:.2f}" for share in part["told_to_close"].values()),
            *(result["phases"][phase] for phase in SHOWN),
        ]
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="everything that is made")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--episodes", type=int, default=50, help="of each evaluation")
    parser.add_argument("--runtime", default="openvino", help="what runs the policies: torch or openvino")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, default=HERE / "limits.json")
    Limits(parser.parse_args()).run()


if __name__ == "__main__":
    main()
