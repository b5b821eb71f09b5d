"""What `import batchclf` gives: evaluate, compare, score, load_model and load_run."""
