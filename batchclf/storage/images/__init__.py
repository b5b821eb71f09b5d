"""images.csv and duplicates.csv."""
