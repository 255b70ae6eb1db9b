"""The live view: a snapshot of what is going on, where it comes from, and how it is drawn."""
