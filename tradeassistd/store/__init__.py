"""SQLite: what came in (the tape) and what was decided (main.db), each with exactly one writer."""
