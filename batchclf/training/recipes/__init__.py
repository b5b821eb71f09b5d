"""Recipes: to be said in a line."""
