"""Networks that give features of images: what metrics are measured with."""
