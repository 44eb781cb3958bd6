"""Runs the whole suite on one machine; never part of an image."""
