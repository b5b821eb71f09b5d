"""What pixels and digests say: statistics, duplicates, near duplicates, drift."""
