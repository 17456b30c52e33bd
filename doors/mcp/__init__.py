"""The door for agents: the Model Context Protocol, with a few tools over the operations of our own API."""
