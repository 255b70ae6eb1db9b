"""The ways this Schwab can be told to misbehave: what they are, when they come, and what they do to frames."""
