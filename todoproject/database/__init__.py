"""PostgreSQL: reaching it, waiting for it, its errors. What a request says is not known here."""
