"""Predictions made elsewhere: inputs written out for any program, and the files that it made taken in and scored."""
