"""Control rate and episode length of the released environment."""

CONTROL_PERIOD = 0.05  # [s], 20 Hz
MAX_STEPS = 400  # control periods per episode, 20 s
