"""The `lossless` command line."""

from lossless_ros.cli.app import main

__all__ = ["main"]
