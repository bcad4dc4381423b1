"""The engine's side: jobs come in, outcomes go out; here is what a worker needs of any engine."""
