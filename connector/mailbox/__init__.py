"""Reading and sorting a mailbox over IMAP, POP3 and Microsoft Graph."""
