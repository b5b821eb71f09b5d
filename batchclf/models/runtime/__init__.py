"""Runtime: to be said in a line."""
