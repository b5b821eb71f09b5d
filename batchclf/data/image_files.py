"""Which files are images by their names; apart from their decoding, so that listing files loads no decoder."""

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
