"""The verbs of `gan-experiments`, one file each."""
