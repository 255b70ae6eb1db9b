"""The pure engine: ordered events in, transitions of rule states out. No await, no clock, no files."""
