"""From a finished message to a server's receipt."""
