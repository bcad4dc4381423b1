"""Secrets by name: where they are kept, where they may go, and how they are masked."""
