"""Bring decoded pixels to the size that a model takes."""
