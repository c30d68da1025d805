"""Package data about WorldStrat: the fixed test split, checksums of the releases, outlines of the continents.

The files are written by ``tools/build_facts.py``; ``NOTICE.txt`` says whose work they derive from.
"""
