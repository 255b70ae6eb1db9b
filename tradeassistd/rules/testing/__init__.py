"""Unit tests of rules: `*.test.yaml` files are read, played through the engine in market time, and judged."""
