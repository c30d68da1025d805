"""From runs into a paper: data frames, tables and references. Reads runs, computes no score."""
