"""Slices: parts of the images that share a value of a column, and how well each is recognised."""
