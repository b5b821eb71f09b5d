"""Records: to be said in a line."""
