"""Secrets by name, resolved only where the contract says."""
