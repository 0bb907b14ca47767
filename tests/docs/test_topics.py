"""The page of topics lists what real nodes have."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.doc_pages import ROOT

pytest.importorskip("rclpy", reason="ROS 2 (rclpy) is not installed")

from tests.support.node_policies import write_policy  # noqa: E402
from tests.support.node_world import NodeWorld  # noqa: E402
from tests.support.robot_stub import RobotStub  # noqa: E402

CAMERAS = ("basket_front_left", "basket_front_right")
STANDARD = {"/parameter_events", "/rosout", "~/transition_event"}


@pytest.fixture
def world() -> Iterator[NodeWorld]:
    world = NodeWorld()
    yield world
    world.close()


def documented(section: str, conditions: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Return topics (or services) and types in a section of the page that are there under the conditions.

    `conditions` has the values of each parameter, and of the contract's space, for which a row counts.
    """
    page = (ROOT / "docs" / "reference" / "topics.md").read_text()
    text = page.partition(f"### {section}\n")[2].partition("\n#")[0]
    found = set()
    for row in re.findall(r"^\| `.*$", text, re.MULTILINE):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        name, kind, when = cells[0].strip("`"), cells[1].strip("`"), cells[2]
        given = re.findall(r"`(\w+):=(\w+)`", when) + re.findall(r"`action.(space): (\w+)`", when)
        if all(value in conditions.get(parameter, {value}) for parameter, value in given):
            found.add((name, kind))
    return found


def advertised(pairs: Any, namespace: str) -> set[tuple[str, str]]:
    """Return names and types in the form of the page."""
    found = set()
    for name, types in pairs:
        name = name.replace(f"{namespace}/inference_node/", "~/").replace(f"{namespace}/", "")
        for camera in CAMERAS:
            name = name.replace(f"{camera}/", "CAMERA/")
        if name not in STANDARD and not name.startswith("~/get") and "parameter" not in name:
            found |= {(name, re.sub("/(msg|srv)/", "/", kind)) for kind in types}
    return found


@pytest.mark.parametrize(("command", "dry_run"), [("twist", "false"), ("joint_trajectory", "true")])
def test_page_lists_the_topics_of_a_configured_node(
    world: NodeWorld, tmp_path: Path, command: str, dry_run: str
) -> None:
    bundle = write_policy(tmp_path / "triplet1.safetensors", "rgb_stacking/triplet1", seed=1)
    parameters = {"bundles": bundle, "autostart": True, "debug_image": True, "use_sim_time": True}
    world.start("inference_node", command=command, dry_run=dry_run, **parameters)
    node = world.stub(RobotStub).node
    conditions = {"command": {command}, "dry_run": {dry_run}, "image_transport": {"raw"}, "space": {"tool"}}

    def graph(kind: str) -> set[tuple[str, str]]:
        if "inference_node" not in node.get_node_names():
            return set()
        found = getattr(node, f"get_{kind}_names_and_types_by_node")("inference_node", world.namespace)
        return advertised(found, world.namespace)

    world.wait_until(lambda: ("/diagnostics", "diagnostic_msgs/DiagnosticArray") in graph("publisher"))
    world.wait_until(lambda: ("tcp_pose", "geometry_msgs/PoseStamped") in graph("subscriber"))
    world.wait_until(lambda: len(graph("publisher")) >= len(documented("Published", conditions)), patience=10)
    assert graph("publisher") == documented("Published", conditions)
    assert graph("subscriber") == documented("Subscribed", conditions)
    own = {(name, kind) for name, kind in graph("service") if kind == "std_srvs/Trigger"}
    assert own == documented("Services", {})
