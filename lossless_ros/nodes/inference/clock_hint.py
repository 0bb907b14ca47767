"""Advice on use_sim_time, which decides whose clock the stamps are compared with."""

from rclpy.node import Node


def clock_hint(node: Node) -> str:
    """Return what is wrong with the choice of the clock and what would be right; empty if nothing is."""
    publishers = node.count_publishers(node.resolve_topic_name("/clock"))
    if node.get_parameter("use_sim_time").value:
        return "" if publishers else "nobody publishes /clock; start the simulator, or give use_sim_time:=false"
    return "a simulator publishes /clock; if the robot is simulated, give use_sim_time:=true" if publishers else ""
