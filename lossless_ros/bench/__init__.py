"""Benchmarks behind `lossless bench`: simulator, adapters, latency and training."""
