"""A client's Idempotency-Key, turned into the token and the fingerprint of a write.

The key becomes the write's token, so that a write and its retries share one receipt: once by construction.
See draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from workers.exceptions import KeyReused, UnfitArgument
from workers.store import receipts
from workers.writes import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """What an Idempotency-Key makes of a write."""

    token: str
    fingerprint: str


def from_key(key: str, *, principal: str, request: Any) -> Idempotency:
    """Return the token for this principal's key, and the digest of the request. Raises UnfitArgument."""
    token = hashlib.sha256(orjson.dumps([principal, key])).hexdigest()[:32]
    return Idempotency(token=token, fingerprint=hashlib.sha256(_canonical(request)).hexdigest()[:32])


def _canonical(request: Any) -> bytes:
    """Return a form of the request that is the same for the same request."""
    try:
        return orjson.dumps(request, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a number with more digits than orjson writes, or what another parser than ours makes
        pass
    try:
        return json.dumps(_written(request), sort_keys=True).encode()
    except RecursionError:
        raise UnfitArgument("the body", "a value nested too deep") from None


def _written(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _written(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_written(one) for one in value]
    return value if value is None or isinstance(value, bool | int) else str(value)


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
