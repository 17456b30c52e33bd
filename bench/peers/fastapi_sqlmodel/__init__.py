"""FastAPI + SQLModel + asyncpg, the way fastapi/full-stack-fastapi-template is laid out, with async sessions."""
