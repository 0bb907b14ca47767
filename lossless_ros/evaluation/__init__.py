"""Closed-loop rollouts, bag replay, statistics, reports."""
