"""Experts: policies that act on the privileged state of the simulator."""

from lossless_sim.experts.expert import make_expert
from lossless_sim.experts.noise import Noise
from lossless_sim.experts.protocol import Expert

__all__ = ["Expert", "Noise", "make_expert"]
