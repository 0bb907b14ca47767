"""From actions to safe commands: limits, inverse kinematics, the inference thread. No ROS."""
