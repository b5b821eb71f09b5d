"""Compare: to be said in a line."""
