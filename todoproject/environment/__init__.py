"""The environment: its variables, read and checked. No setting is known here; `settings.py` says which there are."""
