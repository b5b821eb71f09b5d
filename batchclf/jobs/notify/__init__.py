"""What goes out after a run: summary, commands, webhook, Prometheus, JUnit XML."""
