"""`python -m bench`."""

import sys

from django.conf import settings

# What modules of the product ask for when they are imported here; the servers have settings of their own.
settings.configure(DATABASE_ROLE_PREFIX="todo")

from bench.main import main  # noqa: E402 -- after the settings

sys.exit(main())
