"""Formats: to be said in a line."""
