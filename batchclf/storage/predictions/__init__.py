"""Predictions: to be said in a line."""
