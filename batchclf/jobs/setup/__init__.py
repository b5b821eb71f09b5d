"""Setup: to be said in a line."""
