"""The verbs of the command line, on runs in every state."""
