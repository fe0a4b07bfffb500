"""The record of a run: manifest, local metrics, W&B, TensorBoard, network summaries."""
