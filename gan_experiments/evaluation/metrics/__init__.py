"""What is computed from features: one file for each published metric."""
