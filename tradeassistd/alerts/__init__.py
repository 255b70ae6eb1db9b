"""Transitions become alerts and deliveries; the dispatcher sends them."""
