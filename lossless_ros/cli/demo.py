"""`lossless demo`: drive a shipped bundle over ROS 2, then collect, train and evaluate one's own; small."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lossless_ros import __version__, defaults
from lossless_ros.cli.demo_folder import DemoFolder, DemoPaths
from lossless_ros.cli.interruption import keeping
from lossless_ros.cli.options import Workers
from lossless_ros.progress import EpisodeProgress, Progress, echo, write_json

if TYPE_CHECKING:
    from lossless_ros.evaluation.rollout import EvalConfig
    from lossless_ros.models.bundle import Bundle

REPLAY_SEED = 1000  # of the demonstration that is replayed and never trained on
EVAL_SEED = 2000  # of the first episode of both policies
EXPERT, EXPERT_NOISE = "reactive", 0.3  # who demonstrates, see `CollectConfig`
MODE = "top"  # of the demo's own training: the quickest that stacks


_TITLES = {  # of finished steps, in tables of times
    "shipped": "driving over ROS 2",
    "collection": "collecting",
    "training": "training",
    "own": "evaluating",
    "replay": "replaying and verifying",
    "verify": "replaying and verifying",
}


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    episodes: int = 60  # demonstrations, with seeds from 0 on
    trials: int = 4  # episodes of each policy
    max_steps: int = defaults.MAX_STEPS  # of an episode
    training: str = "demo"  # name in config/training, or a path


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo_output"),
    workers: Workers = 2,
) -> None:
    """Drive the simulated robot with a shipped bundle, then train a policy of your own, compare both, and report."""
    run_demo(out, workers)


def run_demo(out: Path, workers: int, scale: Scale = Scale()) -> Path:  # noqa: B008  frozen
    """Run what is missing of the demo in `out`, and return the report's path.

    Raises:
        LosslessError: something is in `out` that this demo did not make, or a step failed.
    """
    from lossless_ros.models.bundle import read_bundle

    shipped = read_bundle(defaults.BUNDLE)
    plan = {"version": __version__, "shipped bundle": shipped.hash, "scale": dataclasses.asdict(scale)}
    folder = DemoFolder(DemoPaths(out), plan)
    if folder.claim():
        done = ", ".join(folder.documents) or "nothing"
        echo(f"going on in {out}; finished: {done}. Give another --out for a new demo")
    else:
        echo(f"this takes about 10 minutes on two cores, 0.5 GB in {out}, and less in the cache")
    steps = _Steps(folder, shipped, workers, scale)
    with keeping(lambda: f"what is finished is kept in {out}; run the same command to go on"):
        steps.drive()
        steps.collect()
        steps.train()
        steps.evaluate()
        steps.replay_and_verify()
        steps.report()
    times = _times(folder)
    write_json(folder.paths.results, {**folder.documents, "seconds": times})
    _echo_results(folder.documents, times)
    print(folder.paths.report.resolve())
    return folder.paths.report


@dataclass(frozen=True)
class _Steps:
    """The steps of the demo; each is done once in a folder."""

    folder: DemoFolder
    shipped: "Bundle"
    workers: int
    scale: Scale

    def drive(self) -> None:
        from lossless_ros.evaluation.over_ros import evaluate_over_ros

        def work(record: Path) -> dict[str, Any]:
            job = _evaluation(self.scale, Path(defaults.BUNDLE), record)
            with _episodes(f"1/6 driving {defaults.BUNDLE} over ROS 2", job.episodes, job.max_steps) as shown:
                return evaluate_over_ros(job, on_progress=shown.on_episode, on_steps=shown.on_steps)

        document = self.folder.evaluate("shipped", self.folder.paths.shipped, work)
        _echo_success("shipped policy", document)

    def collect(self) -> None:
        """Collect the demonstrations, and one more for the replay."""

        def work() -> dict[str, Any]:
            with _episodes("2/6 collecting", self.scale.episodes + 1, self.scale.max_steps) as shown:
                infos = _collect(self.shipped.task, self.folder.paths, self.workers, self.scale, shown)
            return {
                "expert": EXPERT,
                "expert_noise": EXPERT_NOISE,
                "domain": defaults.DOMAIN,
                "n": len(infos),
                "successes": sum(info["success"] for info in infos),
                "frames": sum(info["steps"] for info in infos),
                "first_seed": infos[0]["seed"],
                "last_seed": infos[-1]["seed"],
                "shown_seed": next((info["seed"] for info in infos if info["success"]), infos[0]["seed"]),
            }

        self.folder.run("collection", work)

    def train(self) -> None:
        from lossless_ros.training.behavior_cloning import TrainConfig, train
        from lossless_ros.training.checkpoint import checkpoint_path

        paths = self.folder.paths
        self.folder.check_bundle()
        job = TrainConfig(
            data=(paths.episodes,),
            out=paths.bundle,
            mode=MODE,
            hyperparameters=self.scale.training,
            contract=self.shipped.contract,
            resume=checkpoint_path(paths.bundle).exists(),
        )

        def work() -> dict[str, Any]:
            with Progress("3/6 training", None) as progress:
                return train(job, progress.update)

        self.folder.run("training", work)

    def evaluate(self) -> None:
        from lossless_ros.evaluation.compare import compare
        from lossless_ros.evaluation.rollout import evaluate

        def work(record: Path) -> dict[str, Any]:
            job = _evaluation(self.scale, self.folder.paths.bundle, record, self.workers)
            with _episodes("4/6 evaluating", job.episodes, job.max_steps) as shown:
                return evaluate(job, shown.on_episode, shown.on_steps)

        own = self.folder.evaluate("own", self.folder.paths.own, work)
        self.folder.run("comparison", lambda: compare(self.folder.documents["shipped"], own))

    def replay_and_verify(self) -> None:
        from lossless_ros.evaluation.replay import ReplayConfig, replay
        from lossless_ros.evaluation.verify import verify_on_recording

        paths = self.folder.paths
        with Progress("5/6 replaying and verifying", 2) as progress:
            self.folder.run("replay", lambda: replay(ReplayConfig(paths.bundle, (paths.held_out,))))
            progress.advance()
            self.folder.run("verify", lambda: verify_on_recording(paths.bundle, paths.held_out))
            progress.advance()

    def report(self) -> None:
        from lossless_ros.episodes.reader import read_episode
        from lossless_ros.evaluation.report import DemoEpisodes, write_demo_report
        from lossless_ros.simulation.episode import episode_name

        paths, documents = self.folder.paths, self.folder.documents
        with Progress("6/6 reporting", 1) as progress:
            shown = paths.episodes / episode_name(documents["collection"]["shown_seed"])
            episodes = DemoEpisodes(
                demonstration=read_episode(shown, self.shipped.contract),
                shipped=_driven(paths.shipped, self.shipped, documents["shipped"]),
                own=_driven(paths.own, self.shipped, documents["own"]),
            )
            write_demo_report(paths.report, self.shipped, documents, episodes, _times(self.folder))
            progress.advance()


@contextmanager
def _episodes(title: str, episodes: int, max_steps: int) -> Iterator[EpisodeProgress]:
    """Show the progress of simulated episodes."""
    with Progress(title, None) as progress:
        yield EpisodeProgress(progress.update, episodes, max_steps)


def _times(folder: DemoFolder) -> dict[str, float]:
    """Return how long the parts of the demo took [s], each in the run that finished it, and all together."""
    times: dict[str, float] = {}
    for name, title in _TITLES.items():
        times[title] = times.get(title, 0.0) + folder.seconds[name]
    return {**times, "everything": sum(times.values())}


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


def _collect(task: str, paths: DemoPaths, workers: int, scale: Scale, shown: EpisodeProgress) -> list[dict[str, Any]]:
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
    infos = collect(training, shown.on_episode, shown.on_steps)
    collect(held_out, shown.on_episode, shown.on_steps)
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
