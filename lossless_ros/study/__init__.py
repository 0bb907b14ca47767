"""Studies: policies of several modes, tasks and seeds, compared on the same episodes."""
