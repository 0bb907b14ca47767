"""The parts of the simulated robot's node."""
