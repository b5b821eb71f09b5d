"""What other libraries make of an image file, a file a library."""
