"""Node processes for evaluation over ROS 2."""
