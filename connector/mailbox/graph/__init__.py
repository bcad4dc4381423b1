"""Mailboxes over Microsoft Graph."""
