"""Csv files: to be said in a line."""
