"""The settings of the worker: one tree, and where each value came from."""
