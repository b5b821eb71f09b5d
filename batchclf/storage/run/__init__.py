"""Run: to be said in a line."""
