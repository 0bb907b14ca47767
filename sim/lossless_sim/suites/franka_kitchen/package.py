"""The package `gymnasium-robotics`, imported where it is used."""

import contextlib
import io
import warnings
from types import ModuleType

from lossless_sim.errors import SimError


def kitchen_module() -> ModuleType:
    """Return the package's module of the Franka Kitchen.

    Raises:
        SimError: the package is not installed.
    """
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")  # on other environments of the package
            from gymnasium_robotics.envs.franka_kitchen import kitchen_env
    except ImportError as error:
        raise SimError(f"the Franka Kitchen is not installed ({error}); install lossless_ros[suites]") from None
    return kitchen_env
