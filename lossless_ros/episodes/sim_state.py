"""The simulator's state in bags: MuJoCo's positions at every frame, from which the frame can be rendered again.

A bag has it on a topic of its own, one `std_msgs/Float64MultiArray` (nq,) per frame, logged at the frame's stamp.
Neither a contract nor the simulated robot knows the topic, and it is never an input of a policy.
"""

SIM_STATE = "privileged/sim_state"  # relative topic name
