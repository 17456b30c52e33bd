"""The document of the API and how it is made readable."""
