"""Report: to be said in a line."""
