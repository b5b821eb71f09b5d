"""What is written down of a run, and what a report or the history reads back."""
