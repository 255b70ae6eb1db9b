"""How a rule stands, in words: values, distances, and why something is unknown."""
