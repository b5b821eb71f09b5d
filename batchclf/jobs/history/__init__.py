"""Earlier runs: look up, export, prune, rebuild."""
