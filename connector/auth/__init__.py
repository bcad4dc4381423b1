"""Logging in: SASL mechanisms and access tokens."""
