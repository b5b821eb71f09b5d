"""Config: to be said in a line."""
