"""The worker's web pages: accounts, consent, and a test of each account."""
