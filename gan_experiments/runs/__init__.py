"""The run directory: manifest, checkpoints, metrics, launch and resume rules."""
