"""Recipes that train a model, the bundle it is kept in, and the runtimes that run it."""
