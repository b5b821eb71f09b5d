"""Training: to be said in a line."""
