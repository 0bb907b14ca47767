"""The main job end to end, small: collect, train, drive over ROS 2, replay, verify, report."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossless_ros.contract import load_contract
from lossless_ros.progress import Progress, echo, write_json

TASK = "rgb_stacking/triplet1"
DOMAIN = "randomized"
BACKBONE = "tf_efficientnet_lite0"
REPLAY_SEED = 1000  # of the demonstration that is replayed and never trained on
TRIAL_SEED = 2000  # of the first episode that the policy drives


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    episodes: int = 30  # demonstrations, with seeds from 0 on
    trials: int = 4  # episodes that the policy drives
    max_steps: int = 400  # of an episode
    training: str = "demo"  # name in config/training, or a path


def run(out: Path, workers: int, scale: Scale = Scale()) -> Path:  # noqa: B008  frozen
    """Run everything into `out` (what an earlier demo left there is replaced) and return the report's path."""
    from lossless_ros.episodes.reader import find_episodes, read_episode
    from lossless_ros.evaluation.over_ros import evaluate_over_ros
    from lossless_ros.evaluation.replay import replay
    from lossless_ros.evaluation.report import write_demo_report
    from lossless_ros.evaluation.verify import verify_on_recording
    from lossless_ros.simulation.collect import collect
    from lossless_ros.simulation.episode import episode_name
    from lossless_ros.training.behavior_cloning import train
    from lossless_ros.training.hyperparameters import load_hyperparameters

    begin = time.monotonic()
    contract = load_contract("rgb_stacking")
    episodes, held_out, driven, bundle = (out / n for n in ("episodes", "held_out", "driven", "policy.safetensors"))
    for folder in (episodes, held_out, driven):
        shutil.rmtree(folder, ignore_errors=True)
    bundle.unlink(missing_ok=True)
    times: dict[str, float] = {}
    results: dict[str, dict[str, Any]] = {}

    with _timed(times, "collecting"), Progress("1/6 collecting", scale.episodes + 1) as bar:
        options: dict[str, Any] = {"max_steps": scale.max_steps, "on_progress": lambda _: bar.advance()}
        infos = collect(TASK, scale.episodes, 0, DOMAIN, episodes, workers=workers, **options)
        collect(TASK, 1, REPLAY_SEED, DOMAIN, held_out, **options)
    results["collection"] = {
        "domain": DOMAIN,
        "n": len(infos),
        "successes": sum(info["success"] for info in infos),
        "frames": sum(info["steps"] for info in infos),
        "first_seed": infos[0]["seed"],
        "last_seed": infos[-1]["seed"],
    }
    with _timed(times, "training"), Progress("2/6 training", None) as bar:
        config = load_hyperparameters(scale.training)
        results["training"] = train([episodes], BACKBONE, "adapters", bundle, config, contract, False, bar.update)
    with _timed(times, "driving over ROS 2"), Progress("3/6 driving over ROS 2", scale.trials) as bar:
        results["evaluation"] = evaluate_over_ros(
            TASK,
            DOMAIN,
            scale.trials,
            TRIAL_SEED,
            bundle,
            steps=scale.max_steps,
            record=driven,
            on_progress=lambda _: bar.advance(),
        )
    with _timed(times, "replaying"), Progress("4/6 replaying", 1) as bar:
        results["replay"] = replay(bundle, [held_out], on_progress=lambda _: bar.advance())
    with _timed(times, "verifying"), Progress("5/6 verifying", 1) as bar:
        results["verify"] = verify_on_recording(bundle, held_out)
        bar.advance()
    report = out / "report.html"
    with _timed(times, "reporting"), Progress("6/6 reporting", 1) as bar:
        shown = next((info["seed"] for info in infos if info["success"]), infos[0]["seed"])
        demonstration = read_episode(episodes / episode_name(shown), contract)
        film = read_episode(find_episodes([driven])[0], contract)
        times["everything"] = time.monotonic() - begin
        write_demo_report(report, contract, results, demonstration, film, times)
        bar.advance()
    write_json(out / "results.json", {**results, "seconds": times})
    _echo_results(results, times)
    print(report.resolve())
    return report


@contextmanager
def _timed(times: dict[str, float], name: str) -> Iterator[None]:
    begin = time.monotonic()
    yield
    times[name] = time.monotonic() - begin


def _echo_results(results: dict[str, dict[str, Any]], times: dict[str, float]) -> None:
    """What was measured, and nothing else."""
    collection, evaluation, proof = results["collection"], results["evaluation"], results["verify"]
    low, high = evaluation["interval_95"]
    latency = evaluation["latency_ms"]
    echo(f"expert:   {collection['successes']} of {collection['n']} episodes stacked, {collection['frames']} frames")
    echo(f"training: {results['training']['steps']} steps, held-out loss {results['training']['held_out_loss']:.4f}")
    echo(
        f"policy:   {evaluation['successes']} of {evaluation['n']} episodes stacked over ROS 2, "
        f"95 % interval {100 * low:.0f} to {100 * high:.0f} %"
    )
    echo(f"latency:  frame to command p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms")
    for axis, error in results["replay"]["action_error"].items():
        echo(f"replay:   {axis} mean error {error['mae']:.4f} {error['unit']}")
    echo(f"replay:   gripper agrees in {100 * results['replay']['gripper_agreement']:.1f} % of the frames")
    echo(f"verify:   backbone untouched: {proof['ok']}, bundle {100 * proof['bundle_share']:.2f} % of its size")
    echo(f"time:     {times['everything']:.0f} s")
