"""Text to rules: YAML files, the expression grammar, errors that say where."""
