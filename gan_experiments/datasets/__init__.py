"""Image sources, regimes, the order of images and the loader."""
