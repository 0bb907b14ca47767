"""Results say which software made them."""

import subprocess
from pathlib import Path

import lossless_ros
from lossless_ros.provenance import versions

ROOT = Path(lossless_ros.__file__).resolve().parent.parent


def test_versions_name_the_packages_and_the_commit() -> None:
    found = versions()
    assert found["lossless_ros"] == lossless_ros.__version__
    assert found["torch"].split(".")[0].isdigit() and found["timm"]
    if (ROOT / ".git").exists():
        head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        assert head.stdout.startswith(found["commit"].removesuffix("-dirty"))
    else:
        assert found["commit"] == ""
