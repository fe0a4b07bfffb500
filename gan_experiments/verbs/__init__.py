"""The verbs of `gan-experiments`, a file for each or for a few that go together; torch is imported when they run."""
