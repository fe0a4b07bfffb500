"""The LightningModules, the update, schedules, EMA, clock, supervised fits and the exact state."""
