"""Synthetic land seen from above: noise, layers of ground cover, and whole scenes of every land-use class."""
