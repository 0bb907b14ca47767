"""The pinned requirements, setup.py and package.xml agree."""

import re
import xml.etree.ElementTree as ElementTree
from importlib.metadata import metadata, requires
from pathlib import Path

import pytest

import lossless_ros

ROOT = Path(__file__).resolve().parents[2]
ROS_IMPORT = re.compile(r"^\s*(?:from|import) (rclpy|rcl_interfaces|std_srvs|launch|launch_ros|\w+_msgs)\b", re.M)
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")


def names(lines: list[str]) -> set[str]:
    """Return the normalized distribution names in lines of requirements."""
    found = (NAME.match(line.strip()) for line in lines)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


def lines(file: str) -> list[str]:
    return (ROOT / file).read_text().splitlines()


def test_every_requirement_is_pinned_to_one_version() -> None:
    for line in lines("requirements.txt"):
        assert re.match(r"^[a-z0-9.-]+(\[[a-z]+\])?==[^ ]+( ; python_full_version .*)?$", line), line


def test_pins_cover_all_requirements() -> None:
    pinned = names(lines("requirements.txt"))
    assert names(lines("requirements.in")) <= pinned
    assert names(requires("lossless_ros") or []) <= pinned


@pytest.mark.parametrize("file", ["requirements.in", "requirements.txt", "setup.py", "Makefile", "scripts/setup.sh"])
def test_no_download_address_is_in_the_setup_files(file: str) -> None:
    assert not re.search(r"https?:|index-url|find-links", (ROOT / file).read_text())


def test_package_xml_agrees_with_the_python_package() -> None:
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    assert package.findtext("name") == "lossless_ros"
    assert package.findtext("version") == lossless_ros.__version__ == metadata("lossless_ros")["Version"]


def test_package_xml_names_every_ros_package_that_nodes_import() -> None:
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    named = {element.text for element in package.iter("exec_depend")}
    sources = [*(ROOT / "lossless_ros" / "nodes").rglob("*.py"), *(ROOT / "launch").glob("*.py")]
    imported = {match[1] for path in sources for match in ROS_IMPORT.finditer(path.read_text())}
    assert imported and imported <= named
