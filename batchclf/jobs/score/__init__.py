"""Scores subsets block by block, with the cache, into the files of a run."""
