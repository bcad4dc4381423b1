"""Messages as they arrive, malformed ones included: octets into text, addresses, bodies and attachments."""
