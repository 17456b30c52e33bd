"""Clients generated from the document, at work."""
