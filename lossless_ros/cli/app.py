"""The `lossless` command. Every heavy import happens inside the command that needs it, so that help is quick."""

import os
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from lossless_ros.cli.bench import bench
from lossless_ros.cli.dagger import dagger
from lossless_ros.cli.options import (
    Device,
    Domain,
    ExpertNoise,
    Hub,
    Json,
    Robot,
    Runtime,
    Seed,
    Task,
    Weights,
    Workers,
)
from lossless_ros.errors import LosslessError
from lossless_ros.progress import Progress, echo, write_json
from lossless_ros.simulation.expert_names import EXPERTS

app = typer.Typer(
    help="One frozen backbone, thousands of robot tasks: collect, train, evaluate, replay, verify.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(bench, name="bench")


class Mode(str, Enum):
    """How a policy is trained."""

    frozen = "frozen"
    top = "top"
    middle = "middle"
    bottom = "bottom"
    adapters = "adapters"
    full = "full"
    scratch = "scratch"


@app.command()
def collect(
    task: Task,
    episodes: Annotated[int, typer.Option(help="Number of episodes.")],
    out: Annotated[Path, typer.Option(help="Folder for the rosbag2 folders; episodes that are there are kept.")],
    seed: Seed = 0,
    domain: Domain = "randomized",
    workers: Annotated[
        str, typer.Option(help="Processes on this machine, or ray or ray://HOST:PORT for a Ray cluster.")
    ] = "2",
    expert: Annotated[str, typer.Option(help=f"{EXPERTS}.")] = "scripted",
    expert_noise: ExpertNoise = 0.0,
    contract: Annotated[str, typer.Option(help="A name of config/contracts or a YAML file.")] = "rgb_stacking",
    max_steps: Annotated[int, typer.Option(help="Longest episode, in control periods.")] = 400,
    json: Json = None,
) -> None:
    """Record episodes of an expert in simulation, as rosbag2 folders."""
    from lossless_ros.simulation.collect import collect as run

    lost: list[str] = []

    def tell(info: dict[str, Any]) -> None:
        progress.advance()
        if "unstable" in info:
            lost.append(f"seed {info['seed']} not recorded: {info['unstable']}")

    with Progress("collecting", episodes) as progress:
        infos = run(
            task,
            episodes,
            seed,
            domain,
            out,
            expert,
            contract,
            workers,
            max_steps,
            on_progress=tell,
            expert_noise=expert_noise,
        )
    for line in lost:
        echo(line)
    successes = sum(info["success"] for info in infos)
    steps = sum(info["steps"] for info in infos)
    echo(f"{len(infos)} episodes in {out}, {successes} of them successful, {steps} frames")
    write_json(json, {"out": str(out), "n": len(infos), "successes": successes, "frames": steps, "episodes": infos})


@app.command()
def train(
    data: Annotated[list[Path], typer.Option(help="Folder with episodes; may be given several times.")],
    out: Annotated[Path, typer.Option(help="The bundle to write (.safetensors).")],
    backbone: Annotated[str, typer.Option(help="Name of the pretrained backbone.")] = "tf_efficientnet_lite0",
    mode: Annotated[Mode, typer.Option(help="What is trained.")] = Mode.adapters,
    config: Annotated[str, typer.Option(help="A name of config/training or a YAML file.")] = "default",
    contract: Annotated[str, typer.Option(help="A name of config/contracts or a YAML file.")] = "rgb_stacking",
    robot: Robot = "sim",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    weights: Weights = None,
    allow_hub: Hub = False,
    begin: Annotated[Path | None, typer.Option("--from", help="A bundle of the same mode to begin with.")] = None,
    logs: Annotated[
        Path | None, typer.Option(help="Folder for TensorBoard and a picture of the learning curve.")
    ] = None,
    json: Json = None,
) -> None:
    """Behavior cloning: adapters and head for a frozen backbone, into one bundle."""
    from lossless_ros.contract import load_contract, load_robot
    from lossless_ros.training.behavior_cloning import train as run
    from lossless_ros.training.hyperparameters import load_hyperparameters

    with Progress("training", None) as progress:
        settings = load_hyperparameters(config)
        how = load_contract(contract)
        result = run(
            *(data, backbone, mode.value, out, settings, how, resume, progress.update, weights, begin, logs),
            robot=load_robot(robot),
        )
    if not result:  # one of several processes, and not the first
        return
    echo(f"{out}: {result['steps']} steps, held-out loss {result['held_out_loss']:.4f}")
    write_json(json, result)


app.command()(dagger)


@app.command()
def evaluate(
    bundle: Annotated[Path | None, typer.Option(help="The policy's bundle.")] = None,
    expert: Annotated[str | None, typer.Option(help=f"{EXPERTS}.")] = None,
    task: Annotated[str | None, typer.Option(help="suite/name; default: the bundle's own task.")] = None,
    episodes: Annotated[int, typer.Option(help="Number of episodes.")] = 50,
    seed: Seed = 0,
    domain: Domain = "randomized",
    workers: Annotated[int, typer.Option(help="Worker processes; with --over-ros there are none.")] = 2,
    expert_noise: ExpertNoise = 0.0,
    weights: Weights = None,
    allow_hub: Hub = False,
    json: Json = None,
    video: Annotated[
        Path | None, typer.Option(help="EpisodeVideo of an episode (.mp4), or an existing folder for several.")
    ] = None,
    video_seed: Annotated[
        list[int] | None, typer.Option(help="Episode to film; may be given several times. Default: the first.")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Folder for what was driven, a rosbag2 folder each.")] = None,
    against: Annotated[
        str | None, typer.Option(help="Compare on the same seeds: a bundle, an expert, or an earlier --json file.")
    ] = None,
    runtime: Runtime = "torch",
    over_ros: Annotated[
        bool, typer.Option("--over-ros", help="Simulated robot and inference node as two ROS 2 processes.")
    ] = False,
) -> None:
    """Closed-loop success rate with its 95 % interval, in simulation."""
    from lossless_ros.evaluation.rollout import check
    from lossless_ros.evaluation.video import video_paths

    videos = video_paths(video, video_seed or [seed])
    if over_ros and bundle is None:
        raise LosslessError("--over-ros runs the inference node: give --bundle FILE, not --expert")
    if over_ros and videos:
        raise LosslessError("--video films evaluations without --over-ros; --record keeps bags of both")
    own = "torch" if over_ros else runtime  # the node tells by itself what its device cannot run
    task = check(task, domain, episodes, seed, bundle, expert, videos, own, expert_noise)
    other = None
    if against is not None:
        from lossless_ros.evaluation.compare import evaluate_baseline

        with Progress(f"evaluating {against}", episodes) as progress:
            other = evaluate_baseline(
                against, task, domain, episodes, seed, workers, runtime, lambda _: progress.advance()
            )
    with Progress("evaluating", episodes) as progress:
        if over_ros:
            from lossless_ros.evaluation.over_ros import evaluate_over_ros

            assert bundle is not None
            result = evaluate_over_ros(
                *(task, domain, episodes, seed, bundle),
                record=record,
                runtime=runtime,
                on_progress=lambda _: progress.advance(),
            )
        else:
            from lossless_ros.evaluation.rollout import evaluate as run

            result = run(
                *(task, domain, episodes, seed, bundle, expert, workers, videos, record),
                runtime=runtime,
                on_progress=lambda _: progress.advance(),
                expert_noise=expert_noise,
            )
    low, high = result["interval_95"]
    rate = result["success_rate"]
    echo(
        f"{result['successes']} of {result['n']} episodes successful: {100 * rate:.1f} % "
        f"[{100 * low:.1f}, {100 * high:.1f}] (seeds {seed} to {seed + episodes - 1}, {domain})"
    )
    echo("came at least as far as: " + ", ".join(f"{phase} {n}" for phase, n in result["phases"].items()))
    if other is not None:
        from lossless_ros.evaluation.compare import compare, summary_line

        result |= {"against": {"name": against, **other}, "comparison": compare(result, other)}
        echo(summary_line(result["comparison"], str(against)))
    write_json(json, result)


@app.command()
def replay(
    bundle: Annotated[Path, typer.Option(help="The policy's bundle.")],
    bag: Annotated[list[Path], typer.Option(help="A rosbag2 folder, or a folder of them; may be given several times.")],
    robot: Robot = "sim",
    device: Device = "auto",
    runtime: Runtime = "torch",
    weights: Weights = None,
    allow_hub: Hub = False,
    json: Json = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page with the curves.")] = None,
) -> None:
    """Compare a policy with recorded runs: action error, gripper agreement, latency."""
    from lossless_ros.evaluation.replay import replay as run

    with Progress("replaying", None) as progress:
        result = run(bundle, bag, robot, device, runtime, on_progress=lambda _: progress.advance())
    for axis, error in result["action_error"].items():
        unit = error["unit"]
        echo(f"{axis}: mean error {error['mae']:.4f} {unit} (commanding nothing: {error['mae_of_zero']:.4f} {unit})")
    echo(f"gripper agrees in {100 * result['gripper_agreement']:.1f} % of {result['frames']} frames")
    times = ", ".join(f"{name} {value:.1f} ms" for name, value in result["inference_ms"].items())
    echo(f"inference on {result['device']} ({result['runtime']}): {times}")
    write_json(json, result)
    if report is not None:
        from lossless_ros.evaluation.report import write_replay_report

        write_replay_report(report, result)
        echo(str(report))


@app.command()
def verify(
    bundle: Annotated[Path, typer.Option(help="The bundle to check.")],
    bag: Annotated[Path | None, typer.Option(help="Compare outputs on its images; else on made-up ones.")] = None,
    robot: Robot = "sim",
    weights: Weights = None,
    allow_hub: Hub = False,
    json: Json = None,
) -> None:
    """Prove that the backbone inside the adapted policy is untouched, bit for bit."""
    from lossless_ros.evaluation.verify import verify as run
    from lossless_ros.evaluation.verify import verify_on_recording

    result = run(bundle, weights=weights) if bag is None else verify_on_recording(bundle, bag, weights, robot)
    for name, value in {"reason": result["reason"]}.items() if "reason" in result else result.items():
        echo(f"{name}: {value}")
    write_json(json, result)
    if not result["ok"]:
        raise typer.Exit(1)


@app.command()
def info(
    thing: Annotated[str | None, typer.Argument(help="A bundle, bag, backbone or contract.")] = None,
    weights: Weights = None,
    allow_hub: Hub = False,
    domain: Annotated[str | None, typer.Option(help="Show how this domain looks: a name or a YAML file.")] = None,
    out: Annotated[Path, typer.Option(help="With --domain: the contact sheet to write (.png or .jpg).")] = Path(
        "sheet.png"
    ),
    task: Task = "rgb_stacking/triplet1",
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Say what a bundle, bag, backbone or contract holds, or draw a domain's contact sheet."""
    if (thing is None) == (domain is None):
        raise LosslessError("give either a bundle, bag, backbone or contract, or --domain NAME --out sheet.png")
    if domain is not None:
        from lossless_ros.evaluation.contact_sheet import write_contact_sheet

        write_contact_sheet(domain, out, task, seed)
        echo(str(out))
        write_json(json, {"domain": domain, "task": task, "seed": seed, "out": str(out)})
        return
    from lossless_ros.cli.info import describe

    result = describe(str(thing), weights)
    for name, value in result.items():
        echo(f"{name}: {value}")
    write_json(json, result)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo_output"),
    workers: Workers = 2,
) -> None:
    """The main job end to end, small: collect, train, evaluate over ROS, replay, verify, report."""
    from lossless_ros.cli.demo import run

    run(out, workers)


def main() -> None:
    """Run the command line: exit 0 on success, 2 with one line on the user's mistake, 1 where a proof failed."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch's threads that spin for work starve busy machines
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        code = _fail(message)
    except LosslessError as error:
        code = _fail(str(error))
    except Exception as error:
        if type(error).__name__ != "SimError":  # the simulator's twin of LosslessError, without importing it
            raise
        code = _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code or 0)


def _fail(message: str) -> int:
    print(f"lossless: {' '.join(message.split())}", file=sys.stderr)
    return 2
