"""Where images come from: data sets, directories, and the decoding of files."""
