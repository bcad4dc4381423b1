"""Element templates: the send task as a modeler shows it, generated from the inputs that the worker reads."""
