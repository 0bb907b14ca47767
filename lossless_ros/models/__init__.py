"""Frozen backbones, the adapters they wear, policies and their bundles."""
