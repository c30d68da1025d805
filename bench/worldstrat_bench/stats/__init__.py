"""Means, intervals and ranks from ``tiles.csv``, as protocol 3.6 and 3.7 define them. No torch, no pandas."""
