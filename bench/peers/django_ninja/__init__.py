"""Django Ninja with the async ORM, the way their documentation and `django-admin startproject` would have it."""
