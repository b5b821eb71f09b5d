"""Predictions in every format: columns, writing, reading, pairs of runs."""
