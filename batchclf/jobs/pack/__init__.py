"""Packs a folder of images into shards."""
