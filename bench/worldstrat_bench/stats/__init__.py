"""Means, intervals and ranks from ``tiles.csv``, as PROTOCOL 3.6 and 3.7 define them. No torch, no pandas."""
