"""One request of the API: its limits, body, route, rules and refusals. Knows no resource."""
