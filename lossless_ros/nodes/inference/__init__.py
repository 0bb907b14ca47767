"""The parts of the inference node."""
