"""Sections: to be said in a line."""
