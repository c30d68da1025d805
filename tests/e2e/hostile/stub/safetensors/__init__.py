"""See `torch` beside it."""
