"""The engine's side: jobs come in, outcomes go out."""
