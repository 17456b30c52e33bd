"""What operators run: `manage.py` commands and their parts."""
