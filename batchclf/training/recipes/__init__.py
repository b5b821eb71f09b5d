"""Recipes by name: the built-in ones and custom ones."""
