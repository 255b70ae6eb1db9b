"""Where ticks come from: Schwab, or the simulator that stands in for it."""
