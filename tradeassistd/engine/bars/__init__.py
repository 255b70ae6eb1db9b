"""Bars from trades, and the indicators that run on them."""
