"""The record of a run: manifest, local metrics, W&B, network summaries."""
