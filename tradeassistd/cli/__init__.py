"""The two programs: arguments in, exit code out."""
