"""Policies that see the true state."""

from lossless_sim.experts.expert import Expert, make_expert

__all__ = ["Expert", "make_expert"]
