"""The run directory and its files, the job's lock, the journal, published runs."""
