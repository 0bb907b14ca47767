"""Do adapters come near full fine-tuning, and frozen features not? One triplet, closed loop, the same budget for all.

    python benchmarks/study.py --folder study --seeds 0 1

Every part is kept in the folder as soon as it is done; the same command goes on where it was, and writes what there is
so far to study.json and study.md beside this file. Several processes may share the folder, each with its own --seeds.
Another --config is another study and belongs in another folder (the demonstrations can be linked into it).
"""

import argparse
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossless_ros.contract import load_contract
from lossless_ros.episodes.collect import collect
from lossless_ros.episodes.simulated import episode_name
from lossless_ros.evaluation.compare import compare
from lossless_ros.evaluation.outcome import PHASES
from lossless_ros.evaluation.rollout import evaluate, summarize
from lossless_ros.models.bundle import write_atomically
from lossless_ros.training.behaviour_cloning import train
from lossless_ros.training.checkpoint import checkpoint_path
from lossless_ros.training.config import load_training_config
from lossless_ros.training.dagger import Plan, dagger

HERE = Path(__file__).resolve().parent
TASK, BACKBONE, CONTRACT = "rgb_stacking/triplet1", "tf_efficientnet_lite0", "rgb_stacking"
MODES, DOMAINS = ("frozen", "adapters", "full"), ("lab", "randomized")
DAGGER = "dagger"  # adapters after rounds of DAgger
FIRST_DEMONSTRATION = 10_000  # seed; those of the evaluation begin at 0
SHOWN = PHASES[:-1]  # in tables; "left" goes with success
PART = 10  # episodes that are evaluated and kept at a time
PAIRS = (("adapters", "frozen"), ("full", "adapters"), ("full", "frozen"), (DAGGER, "adapters"))


@dataclass(frozen=True)
class Demonstrations:
    """Episodes of an expert."""

    domain: str
    number: int
    first: int  # seed
    noise: float  # on what the expert does
    task: str = TASK
    expert: str = "scripted"  # also the one that labels rounds of DAgger

    @property
    def folder(self) -> str:
        """Where in the folder of everything they are."""
        triplet = "" if self.task == TASK else f"{self.task.rpartition('/')[2]}_"
        return f"demonstrations_{triplet}{self.domain}" + ("" if self.expert == "scripted" else f"_{self.expert}")


class Study:
    """The parts of the study, each made when it is asked for the first time."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder: Path = options.folder
        self.config = load_training_config(str(options.config))

    def run(self) -> None:
        """Do what is missing, one training seed after the other, and write the documents after each part."""
        for seed in self.options.seeds:
            for mode in MODES:
                training = self.training(mode, seed)
                say(f"{mode} {seed}: held-out loss {training['held_out_loss']:.4f} after {training['seconds']:.0f} s")
            modes = MODES
            if self.options.rounds:
                self.dagger(seed)
                modes = (*MODES, DAGGER)
            self.evaluate(modes, seed)

    def evaluate(self, modes: tuple[str, ...], seed: int) -> None:
        """Closed loop of these modes in all domains, some episodes of each at a time."""
        for first in range(0, self.options.episodes, PART):
            for domain in DOMAINS:
                for mode in modes:
                    part = self.evaluation(mode, seed, domain, first)
                    say(f"{mode} {seed} {domain} from {first}: {part['successes']} of {part['n']}, {part['phases']}")
                self.write()

    def demonstrations(self) -> list[Path]:
        """The expert's episodes in `randomized`."""
        how = (self.options.demonstrations, FIRST_DEMONSTRATION, self.options.expert_noise)
        return demonstrate(self.folder / "expert", Demonstrations("randomized", *how), self.options.workers)

    def training(self, mode: str, seed: int) -> dict[str, Any]:
        """What the training of the bundle MODE_SEED.safetensors said."""
        bundle = self.bundle(mode, seed)
        config = dataclasses.replace(self.config, seed=seed)

        def make() -> dict[str, Any]:
            say(f"training {mode}, seed {seed}")
            resume = checkpoint_path(bundle).exists()
            return train(self.demonstrations(), BACKBONE, mode, bundle, config, load_contract(CONTRACT), resume)

        return kept(bundle.with_suffix(".training.json"), make)

    def dagger(self, seed: int) -> dict[str, Any]:
        """What the rounds of DAgger on the adapters of that seed said."""
        out = self.bundle(DAGGER, seed)
        config = dataclasses.replace(load_training_config(str(self.options.round_config)), seed=seed)
        some = tuple(self.demonstrations()[: self.options.round_demonstrations])
        parts = (self.bundle("adapters", seed), some, self.folder / f"rounds_{seed}", config)
        plan = Plan(*parts, episodes=self.options.round_episodes)

        def make() -> dict[str, Any]:
            say(f"DAgger, seed {seed}")
            return dagger(plan, self.options.rounds, out, self.options.workers, self.options.runtime)

        return kept(out.with_suffix(".training.json"), make)

    def evaluation(self, mode: str, seed: int, domain: str, first: int) -> dict[str, Any]:
        """Some episodes of that bundle in closed loop."""
        return evaluate_part(self.bundle(mode, seed), domain, first, self.options)

    def bundle(self, mode: str, seed: int) -> Path:
        return self.folder / f"{mode}_{seed}.safetensors"

    def results(self, mode: str, domain: str) -> dict[str, Any]:
        """All finished episodes of a mode in a domain, those of training seed s renumbered to 1000 s + their own."""
        episodes = []
        for path in sorted(self.folder.glob(f"{mode}_*.{domain}.*.json")):
            seed = int(path.name.split(".")[0].removeprefix(f"{mode}_"))
            for episode in json.loads(path.read_text())["episodes"]:
                episodes.append({**episode, "seed": 1000 * seed + episode["seed"]})
        return summarize(TASK, domain, episodes)

    def write(self) -> None:
        """study.json and study.md of what there is so far."""
        results = {domain: {mode: self.results(mode, domain) for mode in (*MODES, DAGGER)} for domain in DOMAINS}
        paths = sorted(self.folder.glob("*.training.json"))
        trainings = {path.name.split(".")[0]: without_paths(json.loads(path.read_text())) for path in paths}
        document = {
            "task": TASK,
            "backbone": BACKBONE,
            "config": dataclasses.asdict(self.config),
            "demonstrations": self.options.demonstrations,
            "expert_noise": self.options.expert_noise,
            "trainings": trainings,
            "results": results,
            "comparisons": {domain: in_pairs(by_mode) for domain, by_mode in results.items()},
            "comparisons_reached": {
                domain: in_pairs({mode: as_reached(result) for mode, result in by_mode.items()})
                for domain, by_mode in results.items()
            },
        }
        write_atomically(self.options.json, (json.dumps(document, indent=1) + "\n").encode())
        write_atomically(self.options.json.with_suffix(".md"), table(document).encode())


def demonstrate(out: Path, data: Demonstrations, workers: int) -> list[Path]:
    """These episodes in the folder `out`, collected as far as they are missing."""
    parts = (data.task, data.number, data.first, data.domain, out, data.expert, CONTRACT, workers)
    collect(*parts, expert_noise=data.noise)
    paths = [out / episode_name(data.first + i) for i in range(data.number)]
    return [path for path in paths if path.exists()]  # an unstable one is left out


def evaluate_part(
    bundle: Path, domain: str, first: int, options: argparse.Namespace, task: str = TASK
) -> dict[str, Any]:
    """At most PART episodes of a bundle in closed loop, from the seed `first` on, kept beside it."""
    n = min(PART, options.episodes - first)
    how = {"workers": options.workers, "runtime": options.runtime}
    path = bundle.with_suffix(f".{domain}.{first:03d}.json")
    return kept(path, lambda: evaluate(task, domain, n, first, bundle, **how))


def in_pairs(by_mode: dict[str, Any]) -> dict[str, Any]:
    """The modes compared on the same episodes."""
    return {f"{a} - {b}": compare(by_mode[a], by_mode[b]) for a, b in PAIRS}


def as_reached(result: dict[str, Any]) -> dict[str, Any]:
    """The same episodes, with reaching red counted as success: it tells modes apart that hardly ever stack."""
    episodes = [{**episode, "success": episode["phase"] != "none"} for episode in result["episodes"]]
    return summarize(TASK, result["domain"], episodes)


def rate(result: dict[str, Any]) -> tuple[str, str]:
    """Two cells of a table: successes, and the interval of their rate."""
    low, high = (f"{100 * bound:.0f}" for bound in result["interval_95"])
    return f"{result['successes']} of {result['n']}", f"{low} to {high} %"


def table(document: dict[str, Any]) -> str:
    """The study in Markdown: a row per mode and domain, then the losses."""
    lines = [
        "| mode | domain | success at the end | 95 % | ever | reached | grasped | lifted | above | placed |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for domain, by_mode in document["results"].items():
        for mode, result in by_mode.items():
            if result["n"]:
                ever = sum(e["success_ever"] for e in result["episodes"])
                phases = [result["phases"][p] for p in SHOWN]
                cells = [*rate(result), ever, *phases]
                lines.append(f"| {mode} | {domain} | {' | '.join(map(str, cells))} |")
    lines += ["", "| mode | held-out loss of each training seed |", "|---|---|"]
    for mode in (*MODES, DAGGER):
        seeds = [training for name, training in document["trainings"].items() if name.rpartition("_")[0] == mode]
        last = [training["rounds"][-1]["training"] if mode == DAGGER else training for training in seeds]
        if last:
            lines.append(f"| {mode} | {', '.join(format(training['held_out_loss'], '.3f') for training in last)} |")
    return "\n".join(lines) + "\n"


def without_paths(document: Any) -> Any:
    """A training's document without what is of this machine alone."""
    if isinstance(document, dict):
        return {key: without_paths(value) for key, value in document.items() if key not in ("bundle", "plan")}
    return [without_paths(value) for value in document] if isinstance(document, list) else document


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The document at `path`, made first if it is not there yet."""
    if not path.exists():
        write_atomically(path, (json.dumps(make(), indent=1) + "\n").encode())
    return dict(json.loads(path.read_text()))


def say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """Do what is missing and write the documents."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="everything the study makes")
    parser.add_argument("--config", type=Path, default=HERE / "study.yaml", help="training settings")
    parser.add_argument("--demonstrations", type=int, default=240)
    parser.add_argument("--expert-noise", type=float, default=0.3, help="on what the expert does; labels stay clean")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of the training")
    parser.add_argument("--episodes", type=int, default=50, help="of each evaluation")
    parser.add_argument("--runtime", default="openvino", help="what runs the policies: torch or openvino")
    parser.add_argument("--rounds", type=int, default=3, help="of DAgger, on the adapters")
    parser.add_argument("--round-episodes", type=int, default=16)
    parser.add_argument("--round-demonstrations", type=int, default=80, help="of those that it has learnt already")
    parser.add_argument("--round-config", type=Path, default=HERE / "study_round.yaml", help="their training settings")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path, default=HERE / "study.json")
    Study(parser.parse_args()).run()


if __name__ == "__main__":
    main()
