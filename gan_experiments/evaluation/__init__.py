"""From images to numbers; knows nothing of training."""
