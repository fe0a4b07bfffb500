"""Networks that extract features of images, for metrics."""
