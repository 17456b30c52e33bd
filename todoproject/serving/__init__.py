"""The process: socket, server, workers, start and end."""
