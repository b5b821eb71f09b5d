"""Sources: to be said in a line."""
