"""Episodes as rosbag2 folders (MCAP): writing, reading, collecting."""
