"""Environment variables of ROS processes: Fast DDS profile, domain, loopback.

The middleware reads them when a process creates its first node.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path

from lossless_ros.paths import share_dir

PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")  # from Kilted on, before it


def profile_path() -> Path:
    """Return the Fast DDS profile with buffers for camera images."""
    return share_dir() / "config" / "dds" / "fastdds.xml"


def use_profile(environment: MutableMapping[str, str] = os.environ) -> None:
    """Select the Fast DDS profile with buffers for camera images, unless one is set."""
    if not any(variable in environment for variable in PROFILE_VARIABLES):
        environment.update(dict.fromkeys(PROFILE_VARIABLES, str(profile_path())))


def stay_on_this_machine(environment: MutableMapping[str, str], domain_id: int) -> None:
    """Set a domain and restrict traffic to the loopback interface, so that no other robot or simulator is reached."""
    environment["ROS_DOMAIN_ID"] = str(domain_id)
    if environment.get("ROS_DISTRO") == "humble":
        environment["ROS_LOCALHOST_ONLY"] = "1"
    else:  # Humble's variable would override this one, with a warning
        environment.pop("ROS_LOCALHOST_ONLY", None)
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
