"""What both FastAPI peers share: the service's tables for SQLAlchemy, the checks, the token, the answer."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import HTTPException
from pydantic import BaseModel, StringConstraints
from sqlalchemy import BigInteger, DateTime, Select, String, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

STORE = Path(os.environ["DATA_DIR"]) / "store.sqlite3"
BUSY_SECONDS = 20


class Base(DeclarativeBase):
    pass


class Item(Base):
    """The table that the service's migrations make."""

    __tablename__ = "items_item"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(DateTime)
    updated_at: Mapped[datetime] = mapped_column(DateTime)
    version: Mapped[int] = mapped_column(BigInteger)


class Token(Base):
    """Tokens are looked up by their digest, as Knox does."""

    __tablename__ = "knox_authtoken"
    digest: Mapped[str] = mapped_column(String(128), primary_key=True)
    user_id: Mapped[int]
    expiry: Mapped[datetime | None] = mapped_column(DateTime)


class User(Base):
    __tablename__ = "auth_user"
    id: Mapped[int] = mapped_column(primary_key=True)
    is_active: Mapped[bool]


class NewItem(BaseModel):
    """What clients send."""

    name: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True,
            min_length=1,
            max_length=200,
            pattern=r"^[^\x00-\x1f\x7f-\x9f\x{2028}\x{2029}]*$",
        ),
    ]


def token_query(authorization: str) -> Select[tuple[datetime | None]]:
    """Return the query for the token in an Authorization header: a row means a user who may write."""
    digest = hashlib.sha512(authorization.removeprefix("Bearer ").encode()).hexdigest()
    return (
        select(Token.expiry)
        .join(User, User.id == Token.user_id)
        .where(Token.digest == digest, User.is_active.is_(True))
    )


def check(token: Any) -> None:
    """Raise 401 unless the query found a token that has not expired."""
    if token is None or (token.expiry is not None and token.expiry < datetime.now(UTC).replace(tzinfo=None)):
        raise HTTPException(401, "Invalid token.")


def new_item(data: NewItem) -> Item:
    now = datetime.now(UTC).replace(tzinfo=None)
    return Item(name=data.name, created_at=now, updated_at=now, version=1)


def representation(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "version": item.version,
    }


def set_pragmas(engine: Any) -> None:
    """Have each new connection wait for the lock, in WAL mode, with durable commits."""

    @event.listens_for(engine, "connect")
    def pragmas(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        cursor.close()
