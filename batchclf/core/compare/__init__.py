"""Two runs side by side: flips, paired tests, intervals of differences."""
