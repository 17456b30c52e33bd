"""Processes that tests start: servers and commands."""
