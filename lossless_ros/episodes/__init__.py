"""Episodes as rosbag2 folders (MCAP): writing, reading, caching, batching."""
