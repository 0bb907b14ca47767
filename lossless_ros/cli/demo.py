"""`lossless demo`: drive a shipped bundle over ROS 2, then collect, train and evaluate one's own; small."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lossless_ros import defaults
from lossless_ros.cli.options import Workers
from lossless_ros.progress import Progress, echo, write_json

if TYPE_CHECKING:
    from lossless_ros.evaluation.rollout import EvalConfig
    from lossless_ros.models.bundle import Bundle

REPLAY_SEED = 1000  # of the demonstration that is replayed and never trained on
EVAL_SEED = 2000  # of the first episode of both policies
EXPERT, EXPERT_NOISE = "reactive", 0.3  # who demonstrates, see `CollectConfig`
MODE = "top"  # of the demo's own training: the quickest that stacks


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    episodes: int = 60  # demonstrations, with seeds from 0 on
    trials: int = 4  # episodes of each policy
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
    def shipped(self) -> Path:
        """Return the folder for the episodes of the shipped policy."""
        return self.out / "shipped"

    @property
    def own(self) -> Path:
        """Return the folder for the episodes of the demo's own policy."""
        return self.out / "own"

    @property
    def bundle(self) -> Path:
        return self.out / "policy.safetensors"

    @property
    def report(self) -> Path:
        return self.out / "report.html"

    def clear(self) -> None:
        """Remove what an earlier demo left."""
        for folder in (self.episodes, self.held_out, self.shipped, self.own):
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
    """Drive the simulated robot with a shipped bundle, then train a policy of your own, compare both, and report."""
    run_demo(out, workers)


def run_demo(out: Path, workers: int, scale: Scale = Scale()) -> Path:  # noqa: B008  frozen
    """Run everything into `out`, replacing an earlier demo's files, and return the report's path."""
    from lossless_ros.episodes.reader import read_episode
    from lossless_ros.evaluation.compare import compare
    from lossless_ros.evaluation.over_ros import evaluate_over_ros
    from lossless_ros.evaluation.replay import ReplayConfig, replay
    from lossless_ros.evaluation.report import DemoEpisodes, write_demo_report
    from lossless_ros.evaluation.rollout import evaluate
    from lossless_ros.evaluation.verify import verify_on_recording
    from lossless_ros.models.bundle import read_bundle
    from lossless_ros.simulation.episode import episode_name
    from lossless_ros.training.behavior_cloning import TrainConfig, train

    started = time.monotonic()
    shipped = read_bundle(defaults.BUNDLE)
    paths, results = DemoPaths(out), DemoResults()
    documents = results.documents
    paths.clear()
    with results.step("driving over ROS 2", f"1/6 driving {defaults.BUNDLE} over ROS 2", scale.trials) as progress:
        job = _evaluation(scale, Path(defaults.BUNDLE), paths.shipped)
        documents["shipped"] = evaluate_over_ros(job, on_progress=lambda _: progress.advance())
    _echo_success("shipped policy", documents["shipped"])
    with results.step("collecting", "2/6 collecting", scale.episodes + 1) as progress:
        infos = _collect(shipped.task, paths, workers, scale, progress)
    documents["collection"] = {
        "expert": EXPERT,
        "expert_noise": EXPERT_NOISE,
        "domain": defaults.DOMAIN,
        "n": len(infos),
        "successes": sum(info["success"] for info in infos),
        "frames": sum(info["steps"] for info in infos),
        "first_seed": infos[0]["seed"],
        "last_seed": infos[-1]["seed"],
    }
    with results.step("training", "3/6 training", None) as progress:
        training = TrainConfig(
            data=(paths.episodes,),
            out=paths.bundle,
            mode=MODE,
            hyperparameters=scale.training,
            contract=shipped.contract,
        )
        documents["training"] = train(training, progress.update)
    with results.step("evaluating", "4/6 evaluating", scale.trials) as progress:
        job = _evaluation(scale, paths.bundle, paths.own, workers)
        documents["own"] = evaluate(job, lambda _: progress.advance())
    documents["comparison"] = compare(documents["shipped"], documents["own"])
    with results.step("replaying and verifying", "5/6 replaying and verifying", 2) as progress:
        documents["replay"] = replay(ReplayConfig(paths.bundle, (paths.held_out,)), lambda _: progress.advance())
        documents["verify"] = verify_on_recording(paths.bundle, paths.held_out)
        progress.advance()
    with results.step("reporting", "6/6 reporting", 1) as progress:
        shown = next((info["seed"] for info in infos if info["success"]), infos[0]["seed"])
        episodes = DemoEpisodes(
            demonstration=read_episode(paths.episodes / episode_name(shown), shipped.contract),
            shipped=_driven(paths.shipped, shipped, documents["shipped"]),
            own=_driven(paths.own, shipped, documents["own"]),
        )
        results.times["everything"] = time.monotonic() - started
        write_demo_report(paths.report, shipped, documents, episodes, results.times)
        progress.advance()
    write_json(out / "results.json", {**documents, "seconds": results.times})
    _echo_results(documents, results.times)
    print(paths.report.resolve())
    return paths.report


def _evaluation(scale: Scale, bundle: Path, record: Path, workers: int = 1) -> "EvalConfig":
    """Return the evaluation of a bundle; both policies get the same episodes."""
    from lossless_ros.evaluation.rollout import EvalConfig

    return EvalConfig(
        bundle=bundle,
        episodes=scale.trials,
        seed=EVAL_SEED,
        domain=defaults.DOMAIN,
        workers=workers,
        runtime="auto",
        max_steps=scale.max_steps,
        record=record,
    )


def _collect(task: str, paths: DemoPaths, workers: int, scale: Scale, progress: Progress) -> list[dict[str, Any]]:
    """Collect the demonstrations, and one more for the replay."""
    from lossless_ros.simulation.collect import CollectConfig, collect

    training = CollectConfig(
        task=task,
        out=paths.episodes,
        episodes=scale.episodes,
        expert=EXPERT,
        expert_noise=EXPERT_NOISE,
        workers=workers,
        max_steps=scale.max_steps,
    )
    held_out = CollectConfig(task=task, out=paths.held_out, seed=REPLAY_SEED, expert=EXPERT, max_steps=scale.max_steps)
    infos = collect(training, lambda _: progress.advance())
    collect(held_out, lambda _: progress.advance())
    return infos


def _driven(folder: Path, bundle: "Bundle", document: dict[str, Any]) -> list[Any]:
    """Return the recorded episodes of an evaluation, by seed; one whose physics diverged has no recording."""
    from lossless_ros.episodes.reader import read_episode
    from lossless_ros.simulation.episode import episode_name

    recorded = [folder / episode_name(seed) for seed in document["seeds"]]
    return [read_episode(path, bundle.contract) for path in recorded if path.is_dir()]


def _echo_success(who: str, evaluation: dict[str, Any]) -> None:
    low, high = evaluation["interval_95"]
    echo(
        f"{who}: {evaluation['successes']} of {evaluation['n']} episodes successful, "
        f"95 % interval {100 * low:.0f} to {100 * high:.0f} %"
    )


def _echo_results(results: dict[str, dict[str, Any]], times: dict[str, float]) -> None:
    """Print the measured figures."""
    collection, training, proof = results["collection"], results["training"], results["verify"]
    latency = results["shipped"]["latency_ms"]
    _echo_success(f"shipped policy ({defaults.BUNDLE}, over ROS 2)", results["shipped"])
    _echo_success(
        f"own policy ({training['data']['episodes']} demonstrations, {training['steps']} steps)", results["own"]
    )
    echo(f"expert:   {collection['successes']} of {collection['n']} episodes successful, {collection['frames']} frames")
    echo(f"training: {training['seconds']:.0f} s, held-out loss {training['held_out_loss']:.4f}")
    echo(f"latency:  frame to command p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms")
    for axis, error in results["replay"]["action_error"].items():
        echo(f"replay:   {axis} mean absolute error {error['mae']:.4f} {error['unit']}")
    echo(f"replay:   gripper agrees in {100 * results['replay']['gripper_agreement']:.1f} % of the frames")
    echo(f"verify:   backbone unchanged: {proof['ok']}, bundle {100 * proof['bundle_share']:.2f} % of its size")
    echo(f"time:     {times['everything']:.0f} s")
