"""What all lists and forms of the admin share; what one model needs is in its app."""
