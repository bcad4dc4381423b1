"""The settings of the worker: one tree, and the source of each value."""
