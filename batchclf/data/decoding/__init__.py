"""Image files to pixels: one way in, `decode.to_pixels`, and a file a format."""
