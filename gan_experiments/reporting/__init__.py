"""Pages about runs: the comparison of many and the report of one, each a file that opens from disk."""
