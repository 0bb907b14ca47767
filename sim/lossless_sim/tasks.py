"""The simulator's tasks by name: suite/name."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from lossless_sim import suites
from lossless_sim.errors import SimError, unknown
from lossless_sim.suite import Env, Suite


def suite_names() -> list[str]:
    """Return the names of the suites."""
    return sorted(module.name for module in iter_modules(suites.__path__))


@cache
def load_suite(name: str) -> Suite:
    """Return the suite of that name.

    Raises:
        SimError: unknown suite; the message lists the known ones.
    """
    if name not in suite_names():
        raise unknown("suite", name, suite_names())
    suite: Suite = import_module(f"{suites.__name__}.{name}").SUITE
    return suite


def tasks() -> dict[str, str]:
    """Return what each task is about, by its name."""
    return {f"{suite}/{name}": about for suite in suite_names() for name, about in load_suite(suite).tasks.items()}


def find_task(task: str) -> tuple[Suite, str]:
    """Return the suite of a task, and the task's name within it.

    Raises:
        SimError: unknown suite or task; the message lists the known ones.
    """
    suite_name, separator, name = task.partition("/")
    if not separator:
        raise SimError(f"unknown task '{task}', expected suite/name; suites: {', '.join(suite_names())}")
    suite = load_suite(suite_name)
    if name not in suite.tasks:
        raise unknown("task", task, [f"{suite_name}/{known}" for known in suite.tasks])
    return suite, name


def make_env(task: str, domain: str = "nominal", **kwargs: Any) -> Env:
    """Create the environment of a task.

    Args:
        task: suite/name.
        domain: name or path of the domain.
        kwargs: further arguments of the suite's environment: cameras, image_size, for RGB-stacking also physics.

    Raises:
        SimError: unknown task, domain, physics or camera.
    """
    suite, name = find_task(task)
    return suite.make_env(name, domain, **kwargs)
