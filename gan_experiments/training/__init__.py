"""The Lightning modules and what they are made of: EMA, clock, learning rates, exact state."""
