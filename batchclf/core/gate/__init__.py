"""Gate: to be said in a line."""
