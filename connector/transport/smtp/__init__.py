"""SMTP: links, sessions, transactions and the pool of kept connections."""
