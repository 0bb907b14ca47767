"""`lossless evaluate`."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lossless_ros import defaults
from lossless_ros.cli.cost import announce_evaluation
from lossless_ros.cli.interruption import keeping
from lossless_ros.cli.options import Domain, Hub, Json, Runtime, Seed, Weights, check_folder
from lossless_ros.defaults import BUNDLE_HELP, EXPERTS_HELP
from lossless_ros.errors import LosslessError
from lossless_ros.progress import EpisodeProgress, Progress, echo, write_json

if TYPE_CHECKING:
    from lossless_ros.evaluation.rollout import EvalConfig


def evaluate(
    bundle: Annotated[Path | None, typer.Option(help=f"The policy's bundle: {BUNDLE_HELP}.")] = None,
    expert: Annotated[str | None, typer.Option(help=f"{EXPERTS_HELP}.")] = None,
    task: Annotated[str | None, typer.Option(help="suite/name; default: the bundle's own task.")] = None,
    episodes: Annotated[int, typer.Option(help="Number of episodes.")] = 50,
    seed: Seed = defaults.EVAL_SEED,
    allow_training_seeds: Annotated[
        bool, typer.Option("--allow-training-seeds", help="Evaluate episodes that the bundle was trained on, too.")
    ] = False,
    domain: Domain = defaults.AUTO,
    workers: Annotated[int, typer.Option(help="Worker processes; not used with --over-ros.")] = 2,
    expert_noise: Annotated[
        float, typer.Option(help="Noise on the expert's executed actions, 0 to 1 of their limits.")
    ] = 0.0,
    weights: Weights = None,
    allow_hub: Hub = False,
    json: Json = None,
    video: Annotated[
        Path | None, typer.Option(help="Video of an episode (.mp4), or an existing folder for several.")
    ] = None,
    video_seed: Annotated[
        list[int] | None, typer.Option(help="Episode to film; may be given several times. Default: the first.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="Folder for a rosbag2 folder per episode.", callback=check_folder)
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Compare on the same seeds: a bundle, an expert, or an earlier --json file.")
    ] = None,
    runtime: Runtime = "torch",
    execution: Annotated[
        str | None,
        typer.Option(help="In place of the bundle's own execution of its chunks: newest, ensemble:M or open_loop:N."),
    ] = None,
    over_ros: Annotated[
        bool, typer.Option("--over-ros", help="Run the simulated robot and the inference node as two ROS 2 processes.")
    ] = False,
) -> None:
    """Measure the closed-loop success rate in simulation, with its 95 % interval."""
    from lossless_ros.evaluation.compare import compare, evaluate_baseline, summary_line
    from lossless_ros.evaluation.rollout import EvalConfig, check, describe_policy
    from lossless_ros.evaluation.video import video_paths

    config = EvalConfig(
        task=task,
        bundle=bundle,
        expert=expert,
        episodes=episodes,
        seed=seed,
        allow_training_seeds=allow_training_seeds,
        domain=domain,
        workers=workers,
        runtime=runtime,
        execution=execution,
        expert_noise=expert_noise,
        weights=weights,
        allow_hub=allow_hub,
        record=record,
        videos=video_paths(video, video_seed or [seed]),
    )
    config = _check_over_ros(config) if over_ros else check(config)
    trained = describe_policy(config)["trained_seeds"]
    if trained:
        echo(f"{trained} of {episodes} episodes were trained on, so the success rate is no measure of other episodes")
    elif bundle is not None and trained is None:
        echo(f"{bundle} does not say which episodes it was trained on; some of these may be among them")
    baseline = None
    if against is not None:
        with _Tally(f"evaluating {against}", config) as tally:
            baseline = evaluate_baseline(against, config, tally.on_episode, tally.on_steps)
    announce_evaluation(episodes, 1 if over_ros else workers, config.max_steps)
    with _Tally("evaluating", config) as tally:
        result = _run(config, over_ros, tally)
    low, high = result["interval_95"]
    rate = result["success_rate"]
    echo(
        f"{result['successes']} of {result['n']} episodes successful: {100 * rate:.1f} % "
        f"[{100 * low:.1f}, {100 * high:.1f}] (seeds {seed} to {seed + episodes - 1}, {config.domain})"
    )
    echo("stages reached (episodes): " + ", ".join(f"{stage} {n}" for stage, n in result["phases"].items()))
    if baseline is not None:
        result |= {"against": {"name": against, **baseline}, "comparison": compare(result, baseline)}
        echo(summary_line(result["comparison"], str(against)))
    write_json(json, result)


def _check_over_ros(config: "EvalConfig") -> "EvalConfig":
    """Check the job; what the node's device cannot run, the node itself reports."""
    import dataclasses

    from lossless_ros.evaluation.rollout import check

    if config.bundle is None:
        raise LosslessError("--over-ros runs the inference node: give --bundle FILE, not --expert")
    if config.videos:
        raise LosslessError("--video needs an evaluation without --over-ros; --record works with both")
    return dataclasses.replace(check(dataclasses.replace(config, runtime="torch")), runtime=config.runtime)


class _Tally(contextlib.ExitStack):
    """Shows the progress of an evaluation; an interruption says how many episodes succeeded until then."""

    def __init__(self, title: str, config: "EvalConfig") -> None:
        super().__init__()
        self._config = config
        self._successes: list[bool] = []
        self.enter_context(keeping(self._kept))
        self._progress = EpisodeProgress(
            self.enter_context(Progress(title, None)).update, config.episodes, config.max_steps
        )
        self.on_steps = self._progress.on_steps

    def on_episode(self, episode: dict[str, Any]) -> None:
        self._successes.append(bool(episode["success"]))
        self._progress.on_episode(episode)

    def _kept(self) -> str:
        done = f"{sum(self._successes)} of {len(self._successes)} finished episodes were successful"
        bags = f", their recordings are in {self._config.record}" if self._config.record and self._successes else ""
        again = " with another --record" if bags else ""
        return f"{done}{bags}; the result is not kept, run the same command{again} to evaluate again"


def _run(config: "EvalConfig", over_ros: bool, tally: _Tally) -> dict[str, Any]:
    if over_ros:
        from lossless_ros.evaluation.over_ros import evaluate_over_ros

        return evaluate_over_ros(config, on_progress=tally.on_episode, on_steps=tally.on_steps)
    from lossless_ros.evaluation.rollout import evaluate as run

    return run(config, tally.on_episode, tally.on_steps)
