"""A report as JSON, as Markdown, and the README of a run."""
