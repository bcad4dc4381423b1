"""Mails by Azure Communication Services: a resource in Azure sends them, no mail server is talked to."""
