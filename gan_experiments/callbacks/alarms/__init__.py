"""Alarms: failures of training said in plain words while they happen."""
