"""Benchmarks of simulator, adapters, latency and training: `lossless bench`."""
