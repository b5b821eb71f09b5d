"""History: to be said in a line."""
