"""Fixtures of the evaluation tests: see tests/support/policies.py."""

from tests.support.policies import bundle_path, config, contract, lite0

__all__ = ["bundle_path", "config", "contract", "lite0"]
