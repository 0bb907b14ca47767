"""Experts: policies that act on the privileged state of the simulator."""

from lossless_sim.experts.expert import Expert, make_expert
from lossless_sim.experts.noise import Noise

__all__ = ["Expert", "Noise", "make_expert"]
