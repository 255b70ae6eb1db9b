"""The live path, what waits for the disk behind it, and what people say to it."""
