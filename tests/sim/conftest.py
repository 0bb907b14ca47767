"""Before anything else imports MuJoCo: the simulator chooses how it renders without a display."""

import lossless_sim  # noqa: F401
