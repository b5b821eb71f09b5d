"""Html: to be said in a line."""
