"""tradeassistd: alert rules as YAML, evaluated on every tick of Schwab's stream."""

__version__ = "0.1.0"
