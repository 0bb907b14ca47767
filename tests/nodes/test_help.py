"""`--help` of a node prints its parameters, and starts nothing."""

import importlib

import pytest

pytest.importorskip("rclpy", reason="ROS 2 (rclpy) is not installed")

from rclpy.node import Node  # noqa: E402


@pytest.mark.parametrize("name", ["inference_node", "sim_robot_node", "collection_node", "replay_node"])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_lists_every_parameter(
    name: str, option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(f"lossless_ros.nodes.{name}")
    monkeypatch.setattr(Node, "__init__", lambda *_, **__: pytest.fail("a node was started"))
    assert module.main([option]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {name} --ros-args")
    for parameter in module.PARAMETERS:
        assert f"\n  {parameter.name}: {parameter.description}" in text
    assert "-p bundle" in text or "-p out:=" in text  # how to begin
