"""`lossless demo`: collect, train, evaluate over ROS 2, replay, verify, report; small."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from lossless_ros import defaults
from lossless_ros.cli.options import Workers
from lossless_ros.progress import Progress, echo, write_json

TASK = "rgb_stacking/triplet1"
REPLAY_SEED = 1000  # of the demonstration that is replayed and never trained on
EVAL_SEED = 2000  # of the policy's first episode


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    episodes: int = 30  # demonstrations, with seeds from 0 on
    trials: int = 4  # episodes of the policy
    max_steps: int = defaults.MAX_STEPS  # of an episode
    training: str = "demo"  # name in config/training, or a path


@dataclass(frozen=True)
class DemoPaths:
    """What the demo writes below its folder."""

    out: Path

    @property
    def episodes(self) -> Path:
        return self.out / "episodes"

    @property
    def held_out(self) -> Path:
        return self.out / "held_out"

    @property
    def driven(self) -> Path:
        return self.out / "driven"

    @property
    def bundle(self) -> Path:
        return self.out / "policy.safetensors"

    @property
    def report(self) -> Path:
        return self.out / "report.html"

    def clear(self) -> None:
        """Remove what an earlier demo left."""
        for folder in (self.episodes, self.held_out, self.driven):
            shutil.rmtree(folder, ignore_errors=True)
        self.bundle.unlink(missing_ok=True)


@dataclass
class DemoResults:
    """Documents of the steps by name, and their times [s]."""

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, title: str, total: int | None) -> Iterator[Progress]:
        """Time a step and show its progress."""
        started = time.monotonic()
        with Progress(title, total) as progress:
            yield progress
        self.times[name] = time.monotonic() - started


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo_output"),
    workers: Workers = 2,
) -> None:
    """Run the whole pipeline, small: collect, train, evaluate over ROS 2, replay, verify, report."""
    run_demo(out, workers)


def run_demo(out: Path, workers: int, scale: Scale = Scale()) -> Path:  # noqa: B008  frozen
    """Run everything into `out`, replacing an earlier demo's files, and return the report's path."""
    from lossless_ros.contract import load_contract
    from lossless_ros.episodes.reader import find_episodes, read_episode
    from lossless_ros.evaluation.over_ros import evaluate_over_ros
    from lossless_ros.evaluation.replay import ReplayConfig, replay
    from lossless_ros.evaluation.report import write_demo_report
    from lossless_ros.evaluation.rollout import EvalConfig
    from lossless_ros.evaluation.verify import verify_on_recording
    from lossless_ros.simulation.episode import episode_name
    from lossless_ros.training.behavior_cloning import TrainConfig, train

    started = time.monotonic()
    contract = load_contract(defaults.CONTRACT)
    paths, results = DemoPaths(out), DemoResults()
    documents = results.documents
    paths.clear()
    with results.step("collecting", "1/6 collecting", scale.episodes + 1) as progress:
        infos = _collect(paths, workers, scale, progress)
    documents["collection"] = {
        "domain": defaults.DOMAIN,
        "n": len(infos),
        "successes": sum(info["success"] for info in infos),
        "frames": sum(info["steps"] for info in infos),
        "first_seed": infos[0]["seed"],
        "last_seed": infos[-1]["seed"],
    }
    with results.step("training", "2/6 training", None) as progress:
        job = TrainConfig(data=(paths.episodes,), out=paths.bundle, hyperparameters=scale.training)
        documents["training"] = train(job, progress.update)
    with results.step("driving over ROS 2", "3/6 driving over ROS 2", scale.trials) as progress:
        evaluation = EvalConfig(
            task=TASK,
            bundle=paths.bundle,
            episodes=scale.trials,
            seed=EVAL_SEED,
            domain=defaults.DOMAIN,
            max_steps=scale.max_steps,
            record=paths.driven,
        )
        documents["evaluation"] = evaluate_over_ros(evaluation, on_progress=lambda _: progress.advance())
    with results.step("replaying", "4/6 replaying", 1) as progress:
        documents["replay"] = replay(ReplayConfig(paths.bundle, (paths.held_out,)), lambda _: progress.advance())
    with results.step("verifying", "5/6 verifying", 1) as progress:
        documents["verify"] = verify_on_recording(paths.bundle, paths.held_out)
        progress.advance()
    with results.step("reporting", "6/6 reporting", 1) as progress:
        shown = next((info["seed"] for info in infos if info["success"]), infos[0]["seed"])
        demonstration = read_episode(paths.episodes / episode_name(shown), contract)
        driven = read_episode(find_episodes([paths.driven])[0], contract)
        results.times["everything"] = time.monotonic() - started
        write_demo_report(paths.report, contract, documents, demonstration, driven, results.times)
        progress.advance()
    write_json(out / "results.json", {**documents, "seconds": results.times})
    _echo_results(documents, results.times)
    print(paths.report.resolve())
    return paths.report


def _collect(paths: DemoPaths, workers: int, scale: Scale, progress: Progress) -> list[dict[str, Any]]:
    """Collect the demonstrations, and one more for the replay."""
    from lossless_ros.simulation.collect import CollectConfig, collect

    training = CollectConfig(
        TASK, paths.episodes, scale.episodes, 0, defaults.DOMAIN, workers=workers, max_steps=scale.max_steps
    )
    held_out = CollectConfig(TASK, paths.held_out, 1, REPLAY_SEED, defaults.DOMAIN, max_steps=scale.max_steps)
    infos = collect(training, lambda _: progress.advance())
    collect(held_out, lambda _: progress.advance())
    return infos


def _echo_results(results: dict[str, dict[str, Any]], times: dict[str, float]) -> None:
    """Print the measured figures."""
    collection, evaluation, proof = results["collection"], results["evaluation"], results["verify"]
    low, high = evaluation["interval_95"]
    latency = evaluation["latency_ms"]
    echo(f"expert:   {collection['successes']} of {collection['n']} episodes successful, {collection['frames']} frames")
    echo(f"training: {results['training']['steps']} steps, held-out loss {results['training']['held_out_loss']:.4f}")
    echo(
        f"policy:   {evaluation['successes']} of {evaluation['n']} episodes successful over ROS 2, "
        f"95 % interval {100 * low:.0f} to {100 * high:.0f} %"
    )
    echo(f"latency:  frame to command p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms")
    for axis, error in results["replay"]["action_error"].items():
        echo(f"replay:   {axis} mean absolute error {error['mae']:.4f} {error['unit']}")
    echo(f"replay:   gripper agrees in {100 * results['replay']['gripper_agreement']:.1f} % of the frames")
    echo(f"verify:   backbone unchanged: {proof['ok']}, bundle {100 * proof['bundle_share']:.2f} % of its size")
    echo(f"time:     {times['everything']:.0f} s")
