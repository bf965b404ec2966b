"""A client's Idempotency-Key, turned into the token and the fingerprint of a write.

The key becomes the write's token, so that a write and its retries share one receipt: once by construction.
See draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from workers import receipts
from workers.exceptions import KeyReused
from workers.writes import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """What an Idempotency-Key makes of a write."""

    token: str
    fingerprint: str


def from_key(key: str, *, principal: str, request: Any) -> Idempotency:
    """Return the token for this principal's key, and the digest of the request (JSON types)."""
    token = hashlib.sha256(orjson.dumps([principal, key])).hexdigest()[:32]
    fingerprint = hashlib.sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
    return Idempotency(token=token, fingerprint=fingerprint)


def earlier_outcome(idempotency: Idempotency) -> Outcome | None:
    """Return the outcome of the first request with this key, if it has one.

    Raises KeyReused when that was a different request.
    """
    known = receipts.find([idempotency.token]).get(idempotency.token)
    if known is None:
        return None
    if known.fingerprint != idempotency.fingerprint:
        raise KeyReused
    return known.outcome
