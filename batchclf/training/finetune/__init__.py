"""Finetune: to be said in a line."""
