"""What is kept on disk: prediction CSVs, run directories, the published reports folder."""
