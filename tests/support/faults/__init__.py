"""Faults of a node's own process. Importing one of these modules before the node breaks one thing in it."""
