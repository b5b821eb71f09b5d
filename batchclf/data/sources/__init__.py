"""Where images are: folders on disk and what else holds them; a file a kind."""
