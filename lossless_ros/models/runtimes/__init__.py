"""Inference runtimes: torch is the reference, the others compute the same outputs faster."""
