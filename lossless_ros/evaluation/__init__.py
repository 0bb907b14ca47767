"""Closed-loop roll-outs, bag replay, statistics, reports."""
