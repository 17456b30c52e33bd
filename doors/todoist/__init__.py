"""Todoist's REST API v1, as its own SDKs speak it. Rules and data are our API's: this only puts them in its words."""
