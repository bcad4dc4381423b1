"""``smtp-connector check``: what an operator wants to know before a process does."""
