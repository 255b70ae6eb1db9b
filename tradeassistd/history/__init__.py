"""The stored past: replay of the tape."""
