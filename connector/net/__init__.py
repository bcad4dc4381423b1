"""Sockets and HTTP clients, as the settings say how this machine reaches others."""
