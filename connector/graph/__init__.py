"""Microsoft Graph's mail API: requests with a token, limits per mailbox, and what its errors mean."""
