"""Taking, holding and reporting jobs; the life cycle of a worker process."""
