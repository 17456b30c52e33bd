"""Whether this process is about to end. The server sets it; readiness tells it to load balancers."""

import threading

# Readiness answers 503 from the moment this is set: send new requests elsewhere.
announced = threading.Event()
