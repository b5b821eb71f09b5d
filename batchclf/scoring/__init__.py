"""The stream of batches from images to prediction rows."""
