"""Files of whole lists, for the staff: made while they are sent, in memory that does not grow with the list."""
