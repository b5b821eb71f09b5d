"""Images: to be said in a line."""
