"""What every other room stands on: errors, time, settings, the strict YAML reader."""
