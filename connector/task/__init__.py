"""From a job's variables to a typed request, one module per task type."""
