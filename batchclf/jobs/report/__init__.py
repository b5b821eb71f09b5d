"""Gathers what a report needs and writes it, at the end of a run or again."""
