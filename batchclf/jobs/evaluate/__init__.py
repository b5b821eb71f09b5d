"""From the files of a run to metrics, comparisons and findings."""
