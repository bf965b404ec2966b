"""FastAPI with SQLAlchemy's asynchronous sessions over aiosqlite."""

from typing import Annotated, Any

from fastapi import FastAPI, Header, Response
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from benchmarks.peers.fastapi_models import (
    BUSY_SECONDS,
    STORE,
    NewItem,
    check,
    new_item,
    representation,
    set_pragmas,
    token_query,
)

# Requests past the pool's size wait for a connection, as long as for the store's lock.
engine = create_async_engine(
    f"sqlite+aiosqlite:///{STORE}",
    pool_size=20,
    max_overflow=0,
    pool_timeout=BUSY_SECONDS,
    connect_args={"timeout": BUSY_SECONDS},
)
set_pragmas(engine.sync_engine)
new_session = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


@app.post("/api/items/", status_code=201)
async def create(
    data: NewItem, response: Response, authorization: Annotated[str, Header()]
) -> dict[str, Any]:
    async with new_session() as session:
        check((await session.execute(token_query(authorization))).one_or_none())
        # The read's transaction ends here: to write in it could fail with SQLITE_BUSY_SNAPSHOT.
        await session.rollback()
        item = new_item(data)
        session.add(item)
        await session.commit()
    response.headers["Location"] = f"/api/items/{item.id}/"
    return representation(item)
