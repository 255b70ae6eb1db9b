"""Conditions that move: from a checked tree to leaves that look, remember and combine."""
