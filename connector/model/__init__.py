"""Values that several packages share; no I/O."""
