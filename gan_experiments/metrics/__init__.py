"""Extractors, metrics and protocols: from images to numbers."""
