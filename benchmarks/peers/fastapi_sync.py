"""FastAPI with SQLAlchemy's sessions in its thread pool."""

from typing import Annotated, Any

from fastapi import FastAPI, Header, Response
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

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

# One connection for each thread of the pool, which has 40.
engine = create_engine(
    f"sqlite:///{STORE}", pool_size=40, max_overflow=0, connect_args={"timeout": BUSY_SECONDS}
)
set_pragmas(engine)
new_session = sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


@app.post("/api/items/", status_code=201)
def create(data: NewItem, response: Response, authorization: Annotated[str, Header()]) -> dict[str, Any]:
    with new_session() as session:
        check(session.execute(token_query(authorization)).one_or_none())
        # The read's transaction ends here: to write in it could fail with SQLITE_BUSY_SNAPSHOT.
        session.rollback()
        item = new_item(data)
        session.add(item)
        session.commit()
    response.headers["Location"] = f"/api/items/{item.id}/"
    return representation(item)
