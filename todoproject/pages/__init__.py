"""What people open in a browser goes through this: access log, headers, error pages, documentation."""
