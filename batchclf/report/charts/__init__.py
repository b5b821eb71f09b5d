"""Charts: to be said in a line."""
