"""Fixtures of the model tests, see tests/support/policies.py."""

from tests.support.policies import bundle_path, config, contract, frames, lite0

__all__ = ["bundle_path", "config", "contract", "frames", "lite0"]
