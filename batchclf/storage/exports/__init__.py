"""Exports: to be said in a line."""
