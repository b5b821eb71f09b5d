"""Job files and the runner that takes one from data to published report."""
