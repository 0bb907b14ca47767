"""From ROS messages to the frames a policy sees: one path for live topics and bags."""
