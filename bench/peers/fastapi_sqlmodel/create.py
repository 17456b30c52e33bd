"""Create the tables that are absent: `python -m bench.peers.fastapi_sqlmodel.create`."""

import asyncio

from sqlmodel import SQLModel

from bench.peers.fastapi_sqlmodel import models  # noqa: F401 -- defines the tables
from bench.peers.fastapi_sqlmodel.deps import engine


async def main() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    await engine.dispose()


asyncio.run(main())
