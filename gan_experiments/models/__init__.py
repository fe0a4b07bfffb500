"""One file for each published pair of networks; layers, conditioning and initialisation are shared."""
