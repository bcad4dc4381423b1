"""Requests to Azure Communication Services: signature, states of a send, errors."""
