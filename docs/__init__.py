"""Scripts that make the documents beside them."""
