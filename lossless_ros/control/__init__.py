"""From actions to safe commands: limits, guard, watchdog, inverse kinematics and the inference thread. No ROS."""
