"""The other pages: all runs, two runs compared, a training."""
