"""Parts: to be said in a line."""
