"""The package `metaworld`, imported where it is used."""

import warnings
from types import ModuleType

from lossless_sim.errors import SimError


def metaworld_module(name: str) -> ModuleType:
    """Return a module of the package.

    Raises:
        SimError: the package is not installed.
    """
    from importlib import import_module

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return import_module(f"metaworld.{name}")
    except ImportError as error:
        raise SimError(f"Meta-World is not installed ({error}); install lossless_ros[suites]") from None
