"""Benchmarks: what the daemon costs, as ratios measured in one run, against the goals it was built for."""
