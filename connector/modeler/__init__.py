"""Element templates: what a modeler sees of the send task, generated from what the worker reads."""
