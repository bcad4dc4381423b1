"""Mails by Microsoft Graph: a mailbox sends them, no mail server is talked to."""
