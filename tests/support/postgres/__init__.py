"""PostgreSQL for tests: databases, standbys, TLS, and gates on the wire."""
