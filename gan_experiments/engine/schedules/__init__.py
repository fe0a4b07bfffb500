"""One file for each kind of update schedule: which network is updated at which iteration."""
