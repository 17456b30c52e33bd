"""What the routes depend on: a session, and the user whom the token names."""

import os
from collections.abc import AsyncGenerator
from typing import Annotated

import jwt
from fastapi import Depends, HTTPException, status
from fastapi.security import OAuth2PasswordBearer
from jwt.exceptions import InvalidTokenError
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.peers.fastapi_sqlmodel.models import TokenPayload, User
from bench.peers.fastapi_sqlmodel.security import ALGORITHM, SECRET_KEY

engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=int(os.environ["POOL_SIZE"]), max_overflow=0)
oauth2 = OAuth2PasswordBearer(tokenUrl="/v1/login/access-token")


async def get_db() -> AsyncGenerator[AsyncSession, None]:
    async with AsyncSession(engine) as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_db)]
TokenDep = Annotated[str, Depends(oauth2)]


async def get_current_user(session: SessionDep, token: TokenDep) -> User:
    try:
        payload = jwt.decode(token, SECRET_KEY, algorithms=[ALGORITHM])
        token_data = TokenPayload.model_validate(payload)
    except (InvalidTokenError, ValidationError):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Could not validate credentials") from None
    user = await session.get(User, token_data.sub)
    if not user:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "User not found")
    if not user.is_active:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, "Inactive user")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]
