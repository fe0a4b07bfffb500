"""One file for each published loss term; an objective is a named sum of them."""
