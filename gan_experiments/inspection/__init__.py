"""Looking inside a discriminator: what fools it, and what its classes and layers answer to most."""
