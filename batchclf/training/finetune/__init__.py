"""Fine-tuning: the base, its features, and the network on top of them."""
