"""Frozen backbones, task adapters, policies and their bundles, and the runtimes that run them."""
