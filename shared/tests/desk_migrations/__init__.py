"""Revisions of the tests' own service."""
