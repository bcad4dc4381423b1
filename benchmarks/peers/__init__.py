"""The connector beside clients in other languages, in turn: ``python -m benchmarks.peers``."""
