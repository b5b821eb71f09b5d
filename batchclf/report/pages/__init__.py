"""Pages: to be said in a line."""
