"""Image sources, the order of their images, the in-memory pipeline and its augmentations."""
