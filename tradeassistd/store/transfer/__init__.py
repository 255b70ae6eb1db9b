"""Alerts, bars, ticks, rules and settings as files that other programs read and write: CSV, JSON, Parquet."""
