"""Checks of accounts, engine and ledger, step by step, each failure with its remedy."""
