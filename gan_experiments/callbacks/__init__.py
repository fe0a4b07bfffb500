"""What happens during training besides updates: samples, checkpoints, budget, progress, divergence guard."""
