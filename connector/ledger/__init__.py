"""Remembers durably how far each mail has come; see ``port`` for the states and ``ledger`` for the use."""
