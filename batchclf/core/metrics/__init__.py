"""Metrics with their intervals: from rows of predictions to the numbers of a report."""
