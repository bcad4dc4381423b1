"""The way of a send job, from its variables to its outcome."""
