"""Trust, key stores and TLS contexts, for every protocol."""
