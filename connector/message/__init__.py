"""From a send request to the bytes of a message, without any mail server in sight."""
