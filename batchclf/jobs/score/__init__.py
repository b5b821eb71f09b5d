"""Score: to be said in a line."""
