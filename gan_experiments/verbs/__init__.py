"""The verbs of `gan-experiments`, a file for each or for a few that belong together; torch is imported when they run."""
