"""Passwords and tokens."""

import os
import uuid
from datetime import UTC, datetime, timedelta

import jwt
from pwdlib import PasswordHash

SECRET_KEY = os.environ["SECRET_KEY"]
ALGORITHM = "HS256"
ACCESS_TOKEN_EXPIRE = timedelta(days=8)

password_hash = PasswordHash.recommended()  # Argon2id


def create_access_token(subject: uuid.UUID) -> str:
    payload = {"exp": datetime.now(UTC) + ACCESS_TOKEN_EXPIRE, "sub": str(subject)}
    return jwt.encode(payload, SECRET_KEY, algorithm=ALGORITHM)


def verify_password(plain_password: str, hashed_password: str) -> bool:
    return password_hash.verify(plain_password, hashed_password)


def get_password_hash(password: str) -> str:
    return password_hash.hash(password)
