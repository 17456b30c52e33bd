"""How events reach webhooks: one request, and the order of many. What to send, and what became of it, queries say."""
