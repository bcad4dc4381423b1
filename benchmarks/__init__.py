"""Measurements, each with its own command: ``python -m benchmarks.NAME``. Never asserted in a test."""
