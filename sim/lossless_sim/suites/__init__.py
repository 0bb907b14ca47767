"""The suites of tasks. Every folder here is a suite; its package has the `lossless_sim.suite.Suite` as SUITE."""
