"""The API's own connections: pool, transactions, statements, and how SQL is made from the models."""
