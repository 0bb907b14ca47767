"""The `lossless` command. Every heavy import happens inside the command that needs it, so that help is quick."""

import os
import sys
from typing import Annotated

import typer

from lossless_ros import __version__
from lossless_ros.cli import interruption
from lossless_ros.cli.bench import bench
from lossless_ros.cli.collect import collect
from lossless_ros.cli.dagger import dagger
from lossless_ros.cli.demo import demo
from lossless_ros.cli.evaluate import evaluate
from lossless_ros.cli.info import info
from lossless_ros.cli.list import list_shipped
from lossless_ros.cli.replay import replay
from lossless_ros.cli.rerender import rerender
from lossless_ros.cli.study import study
from lossless_ros.cli.train import train
from lossless_ros.cli.verify import verify
from lossless_ros.errors import LosslessError
from lossless_ros.progress import echo

app = typer.Typer(
    help="One frozen backbone, thousands of robot tasks: collect, train, evaluate, replay, verify.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"lossless_ros {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


for command in (collect, rerender, train, dagger, evaluate, study, replay, verify, info, demo):
    app.command()(command)
app.command("list")(list_shipped)
app.add_typer(bench, name="bench")


def main() -> None:
    """Run the command line: exit 0 on success, 2 with one line on invalid input, 1 where a proof failed."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning torch threads starve other processes
    interruption.watch()
    try:
        code = app(prog_name="lossless", standalone_mode=False)
    except typer.TyperException as error:
        code = _fail(error.format_message() if hasattr(error, "format_message") else str(error))
    except LosslessError as error:
        code = _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = interruption.EXIT_CODE
    if code == interruption.EXIT_CODE:  # which is also how typer reports an interruption
        interruption.end()
    sys.exit(code or 0)


def _fail(message: str) -> int:
    echo(f"lossless: {message}")
    return 2
