"""What every node process shares: parameters, signals, exit codes."""
