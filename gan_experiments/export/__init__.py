"""Trained generators as files that need no part of this package."""
