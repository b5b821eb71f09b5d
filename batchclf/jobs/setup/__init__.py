"""Before the first run: check a job file, have a job run every night."""
