"""Generators of the reference documentation, one per page."""
