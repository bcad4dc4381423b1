"""Several worker processes under one supervisor, and the control connection between them."""
