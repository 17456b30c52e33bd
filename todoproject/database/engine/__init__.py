"""The database of Django's ORM: the admin's and the commands' connections."""
