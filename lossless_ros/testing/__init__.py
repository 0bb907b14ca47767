"""Node processes and a robot stub, shared by evaluation over ROS 2, the tests and the soak benchmark."""
