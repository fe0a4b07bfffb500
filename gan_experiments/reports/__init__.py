"""Pages about runs: one run, several, a comparison."""
