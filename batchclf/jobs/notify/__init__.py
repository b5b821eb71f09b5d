"""Notify: to be said in a line."""
