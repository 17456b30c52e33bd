"""Ways in for the clients of other systems: each a room that speaks as they do, over the operations of our own API."""
