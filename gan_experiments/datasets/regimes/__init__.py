"""Regimes: what is done to the training images before training, and to no others."""
