"""Differentiable per-sample operations on images."""
