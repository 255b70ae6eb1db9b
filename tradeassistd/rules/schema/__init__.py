"""JSON Schemas of the files in rules.d/, for editors: completion, words on hover, and what is wrong while one types."""
