"""All nodes in this process: the services that every ROS 2 node has, and what repeated configuration leaves behind."""

import ast
import gc
import inspect
import os
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import rclpy
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.parameter import Parameter

from lossless_ros.models.backbones import Backbone
from lossless_ros.models.policy import Policy
from lossless_ros.nodes.collection_node import CollectionNode
from lossless_ros.nodes.inference_node import InferenceNode
from lossless_ros.nodes.replay_node import ReplayNode
from lossless_ros.nodes.sim_robot_node import SimRobotNode
from tests.support.node_world import NodeWorld
from tests.support.robot_stub import NodeStub, wait_until

NODES: tuple[type[Any], ...] = (InferenceNode, SimRobotNode, CollectionNode, ReplayNode)


class Client(NodeStub):
    """Calls the services of nodes."""

    def __init__(self, domain_id: int, namespace: str) -> None:
        super().__init__("client", domain_id, namespace)
        self.begin()

    def call(self, service: str, kind: Any, **fields: Any) -> Any:
        client = self.node.create_client(kind, service)
        wait_until(client.service_is_ready)
        future = client.call_async(kind.Request(**fields))
        wait_until(future.done)
        self.node.destroy_client(client)
        return future.result()


@pytest.fixture(scope="module")
def nodes(bundle: Path) -> Iterator[Any]:
    """The four nodes, served by one executor, and a client."""
    world = NodeWorld()
    client = world.stub(Client)
    rclpy.init(args=["--ros-args", "-r", f"__ns:={world.namespace}"], domain_id=world.domain_id)
    made = {kind.__name__: kind() for kind in NODES}
    settings = {"bundles": str(bundle), "runtime": "torch", "device": "cpu"}
    made["InferenceNode"].set_parameters([Parameter(name, value=value) for name, value in settings.items()])
    executor, closed = SingleThreadedExecutor(), threading.Event()
    for node in made.values():
        executor.add_node(node)

    def serve() -> None:
        while not closed.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield SimpleNamespace(client=client, by_class=made, thread=thread)
    closed.set()
    thread.join()
    executor.shutdown()
    for node in made.values():
        node.destroy_node()
    rclpy.shutdown()
    world.close()


@pytest.mark.parametrize("kind", NODES)
def test_every_parameter_service_answers(nodes: Any, kind: type[Any]) -> None:
    """`ros2 param get` ended sim_robot_node, which had put its settings in the place of rclpy's."""
    name, client = nodes.by_class[kind.__name__].get_name(), nodes.client
    names = list(client.call(f"{name}/list_parameters", ListParameters).result.names)
    assert "use_sim_time" in names and len(names) > 5
    values = client.call(f"{name}/get_parameters", GetParameters, names=names).values
    types = client.call(f"{name}/get_parameter_types", GetParameterTypes, names=names).types
    assert [value.type for value in values] == list(types) and 0 not in types
    described = client.call(f"{name}/describe_parameters", DescribeParameters, names=names).descriptors
    assert [descriptor.name for descriptor in described] == names
    new = [Parameter("use_sim_time", value=False).to_parameter_msg()]
    assert client.call(f"{name}/set_parameters", SetParameters, parameters=new).results[0].successful
    assert client.call(f"{name}/set_parameters_atomically", SetParametersAtomically, parameters=new).result.successful
    assert nodes.thread.is_alive()


@pytest.mark.parametrize("kind", NODES)
def test_node_shadows_nothing_private_of_its_base(nodes: Any, kind: type[Any]) -> None:
    base = LifecycleNode if issubclass(kind, LifecycleNode) else Node
    plain = base("plain")
    theirs = {name for name in {*vars(plain), *dir(base)} if not name.startswith("__")}
    plain.destroy_node()
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    assigned = {
        target.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        for target in [node]
        if isinstance(target.value, ast.Name) and target.value.id == "self"
    }
    overridden = {name for name in vars(kind) if name.startswith("_") and not name.startswith("__")}
    assert not theirs & (assigned | overridden)


def live(kind: type[Any]) -> int:
    return sum(type(thing) is kind for thing in gc.get_objects())


def num_threads() -> int:
    return len(os.listdir("/proc/self/task"))


def test_lifecycle_services_answer_and_rounds_leave_nothing_behind(nodes: Any) -> None:
    """Configure, activate, deactivate and clean up, then shut down, which ends the process."""
    client, node = nodes.client, nodes.by_class["InferenceNode"]
    assert len(client.call("inference_node/get_available_states", GetAvailableStates).available_states) > 4
    for name in ("get_available_transitions", "get_transition_graph"):
        assert client.call(f"inference_node/{name}", GetAvailableTransitions).available_transitions

    def change(transition: str) -> str:
        request = ChangeState.Request()
        request.transition.label = transition
        assert client.call("inference_node/change_state", ChangeState, transition=request.transition).success
        return str(client.call("inference_node/get_state", GetState).current_state.label)

    gc.collect()
    others = live(Policy), live(Backbone)  # of other tests in this process
    counts, threads = [], []
    for _ in range(3):
        states = [change(name) for name in ("configure", "activate", "deactivate", "cleanup")]
        assert states == ["inactive", "active", "inactive", "unconfigured"]
        counts.append((live(Policy) - others[0], live(Backbone) - others[1]))
        threads.append(num_threads())
    assert max(map(max, counts)) <= 1, counts  # the executor may hold the last one for a while
    assert threads[-1] <= threads[0]
    assert not node._end.is_set()
    assert change("shutdown") == "finalized"
    assert node._end.is_set()
