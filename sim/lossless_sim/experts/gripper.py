"""Geometry of the gripper, measured in the model.

Heights are relative to the TCP, distances are from the plane midway between the fingers [m].
"""

import numpy as np

OPENING = 0.0429  # inner side of an open finger
FINGER_OUTER = 0.0625  # outer side of an open finger
FINGER_HALF_WIDTH = 0.0115
FINGERTIP_OPEN = -0.001  # height of the fingertips, gripper open
FINGERTIP_CLOSED = -0.014  # and closed: the fingertips swing down as they close
PALM = 0.055  # height of the lowest part between the fingers
HAND = 0.035  # height of the lower side of the hand above the fingers
HAND_HALF_SIZE = np.array([0.075, 0.045])  # of the hand, along and across the closing direction
CLOSED_HALF_LENGTH = 0.0205  # of the two closed fingers along the closing direction
CLOSED_HALF_WIDTH = 0.0125  # and across it
FINGERS_MEET = 0.785  # finger angle at which the empty gripper is closed [rad]
MIN_TCP_HEIGHT = 0.0712  # in the world, just above the lower limit of the workspace
MAX_TCP_OFFSET = 0.124  # from the basket's center along x and y, just inside the workspace
