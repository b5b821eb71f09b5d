"""CSV files: cells, vectors of numbers as text, reading in pieces, appending."""
