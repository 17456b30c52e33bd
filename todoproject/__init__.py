"""The project: settings, the two doors, the database, and what the apps share."""
