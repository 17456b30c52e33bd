"""The repository itself: imports, pages, settings, requirements."""
