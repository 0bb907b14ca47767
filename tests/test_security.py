"""The SROS2 policy: only the inference node may publish commands, and nothing that the node needs is forgotten."""

from xml.etree import ElementTree

import pytest

from lossless_ros.contract import GRIPPER_TOPIC, TRAJECTORY_TOPIC, TWIST_TOPIC, VELOCITY_TOPIC, load_contract
from lossless_ros.paths import share_dir

COMMANDS = {TWIST_TOPIC, VELOCITY_TOPIC, TRAJECTORY_TOPIC, GRIPPER_TOPIC}
ALLOWED = {  # by SROS2's schema of policies 0.2.0: element -> (its attributes, its children)
    "policy": ({"version"}, {"enclaves"}),
    "enclaves": (set(), {"enclave"}),
    "enclave": ({"path"}, {"profiles"}),
    "profiles": ({"type"}, {"profile", "metadata"}),
    "profile": ({"ns", "node"}, {"topics", "services", "actions"}),
    "topics": ({"publish", "subscribe"}, {"topic"}),
    "services": ({"reply", "request"}, {"service"}),
    "topic": (set(), set()),
    "service": (set(), set()),
}


@pytest.fixture
def policy() -> ElementTree.Element:
    return ElementTree.parse(share_dir() / "config" / "security" / "policy.xml").getroot()


def names(policy: ElementTree.Element, enclave: str, kind: str, right: str) -> set[str]:
    """Names of the topics or services for which an enclave has a right."""
    path = f"./enclaves/enclave[@path='/lossless_ros/{enclave}']/profiles/profile/{kind}s[@{right}='ALLOW']/{kind}"
    return {str(element.text) for element in policy.findall(path)}


def test_policy_has_the_form_that_sros2_takes(policy: ElementTree.Element) -> None:
    assert policy.get("version") == "0.2.0"
    for element in policy.iter():
        attributes, children = ALLOWED[element.tag]
        assert set(element.keys()) <= attributes and {child.tag for child in element} <= children
        assert element.tag not in ("topics", "services") or set(element.attrib.values()) == {"ALLOW"}
        assert children or str(element.text).strip()


def test_only_the_inference_node_publishes_commands(policy: ElementTree.Element) -> None:
    enclaves = [str(e.get("path")).rpartition("/")[2] for e in policy.iter("enclave")]
    assert enclaves == ["inference", "robot", "operator"]
    senders = {e for e in enclaves if names(policy, e, "topic", "publish") & COMMANDS}
    assert senders == {"inference"}
    assert names(policy, "inference", "topic", "publish") >= COMMANDS
    assert names(policy, "robot", "topic", "subscribe") >= COMMANDS


def test_streams_of_the_contract_flow_from_the_robot_to_the_node(policy: ElementTree.Element) -> None:
    contract = load_contract("rgb_stacking")
    topics = {contract.topic(stream) for stream in contract.streams}
    topics |= {f"{camera.topic}/compressed" for camera in contract.cameras}
    assert names(policy, "robot", "topic", "publish") >= topics
    assert names(policy, "inference", "topic", "subscribe") >= topics


def test_whoever_watches_may_stop_the_robot(policy: ElementTree.Element) -> None:
    asked = {name.replace("/inference_node", "~") for name in names(policy, "operator", "service", "request")}
    assert (
        {"~/stop", "~/resume", "~/new_episode", "~/rescan"} <= asked <= names(policy, "inference", "service", "reply")
    )
