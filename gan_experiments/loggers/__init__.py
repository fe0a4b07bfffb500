"""Where scalars and pictures go: csv, W&B, TensorBoard."""
