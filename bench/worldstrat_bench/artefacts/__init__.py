"""Everything that is written and read back: the record, its tiles, and what is added beside them later."""
