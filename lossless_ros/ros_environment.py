"""Settings of the middleware, which it reads from the environment when a process makes its first node."""

import os
from collections.abc import MutableMapping

from lossless_ros.paths import share_dir

PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")  # from Kilted on, before it


def use_profile(environment: MutableMapping[str, str] = os.environ) -> None:
    """Give Fast DDS room for camera images (config/dds/fastdds.xml), unless the user chose a profile."""
    if not any(variable in environment for variable in PROFILE_VARIABLES):
        profile = str(share_dir() / "config" / "dds" / "fastdds.xml")
        environment.update(dict.fromkeys(PROFILE_VARIABLES, profile))


def stay_on_this_machine(environment: MutableMapping[str, str], domain_id: int) -> None:
    """A domain of its own, on the loopback interface: no other robot or simulator hears or is heard."""
    environment["ROS_DOMAIN_ID"] = str(domain_id)
    if environment.get("ROS_DISTRO") == "humble":
        environment["ROS_LOCALHOST_ONLY"] = "1"
    else:  # where the variable for Humble would go before it, with a warning
        environment.pop("ROS_LOCALHOST_ONLY", None)
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
