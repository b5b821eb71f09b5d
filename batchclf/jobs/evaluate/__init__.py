"""Evaluate: to be said in a line."""
