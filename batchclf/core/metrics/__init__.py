"""Metrics: to be said in a line."""
