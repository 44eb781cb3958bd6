"""Runs the whole suite on one machine. Never part of an image."""
