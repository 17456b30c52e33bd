"""Clients of the API, from sockets to load."""
