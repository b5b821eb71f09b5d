"""Training: recipes, fine-tuning, the loop, checkpoints, temperature."""
