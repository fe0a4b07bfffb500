"""Alarms: failures of training, reported in plain words while they happen."""
