"""What `startproject` writes."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.peers.django_ninja.settings")

application = get_asgi_application()
