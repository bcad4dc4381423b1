"""Values that several packages share; no I/O."""

VERSION = "0.1.0"
