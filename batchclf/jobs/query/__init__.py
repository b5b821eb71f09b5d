"""SQL over a run."""
