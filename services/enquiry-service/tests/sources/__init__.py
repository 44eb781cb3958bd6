"""Data sources of every product."""
