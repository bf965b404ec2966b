"""What operations share in the OpenAPI schema: headers, 202, the one error shape."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from project.api.examples import add_examples

Schema = dict[str, Any]

CODES = {
    "bad_request": "400: not HTTP as it should be, or not for this host",
    "parse_error": "400: the body is not JSON, or is nested too deep",
    "invalid": "400: `fields` says what is wrong",
    "invalid_header": "400: the detail names the header",
    "not_authenticated": "401: no token and no session",
    "authentication_failed": "401: the token is unknown, expired or revoked",
    "permission_denied": "403: not for this user, or no longer when it was to be committed; or a session's "
    "CSRF token is missing",
    "insufficient_scope": "403: the token has the scope `read`, and this needs one with `write`",
    "role_may_not_write": "403: PostgreSQL's role of this host may only read; nothing was changed",
    "not_found": "404: no such object or path, or not for this user to see",
    "method_not_allowed": "405: the path takes other methods; see Allow",
    "not_acceptable": "406: there is no such representation; JSON there is",
    "request_timeout": "408: head or body took too long to come",
    "conflict": "409: the change conflicts with what is stored",
    "cancelled": "409: an operator cancelled the write while it waited; it took no effect",
    "idempotency_key_in_progress": "409: the first request with this key still waits; see Location",
    "length_required": "411: a body of unknown length, where another web server took it",
    "precondition_failed": "412: If-Match, If-None-Match or `version` asks for another state than is stored",
    "body_too_large": "413: more than WRITE_MAX_BODY_BYTES",
    "uri_too_long": "414: the address is longer than the server takes",
    "unsupported_media_type": "415: only application/json is taken, as it is: no file, no Content-Encoding",
    "idempotency_key_reused": "422: the key belongs to another request",
    "precondition_required": "428: WRITE_REQUIRE_IF_MATCH asks for If-Match, or for `version`",
    "throttled": "429: too many requests with this token, or from this address; see Retry-After",
    "too_many_attempts": "429: this address or name tried too many passwords; see Retry-After",
    "header_too_large": "431: the head of the request is too large, or has too many fields",
    "internal_error": "500: an error of the service; its log has it",
    "write_failed": "500: the write function failed; the write took no effect",
    "write_timed_out": "500: the write function took too long; the write took no effect",
    "write_killed_writer": "500: the writer died each time it tried; the write took no effect",
    "unknown_write_function": "500: no write function has this name; the write took no effect",
    "unsupported_argument": "500: a view handed over what a write cannot carry; nothing was accepted",
    "write_outside_writer": "500: a view tried to write the store; nothing was changed",
    "not_implemented": "501: an HTTP method or a transfer coding that the server does not know",
    "too_many_connections": "503: this web process has as many connections as it may (WEB_CONNECTIONS)",
    "unavailable": "503: not now; see Retry-After",
    "stream_full": "503: too many writes wait; nothing was accepted",
    "too_many_waiting": "503: too many requests wait for an outcome; nothing was accepted",
    "stream_of_another_store": "503: Redis holds another store's writes; nothing was accepted",
    "queue_unavailable": "503: Redis does not respond; nothing was accepted",
    "acceptance_unknown": "503: the write may yet be applied; retry with the same Idempotency-Key",
    "not_committed_yet": "503: the write named in Read-After still waits",
    "not_replicated_yet": "503: it is committed, and the replica that is read does not have it yet",
    "sessions_unavailable": "503: who is logged in cannot be looked up now; nobody is logged out by it",
    "logins_unavailable": "503: passwords cannot be checked now",
    "read_timed_out": "503: to read this takes too long; ask for less",
    "store_busy": "503: others write the store; nothing was written",
    "transaction_timed_out": "503: a view wrote for too long and was undone; nothing was written",
    "not_ready": "503: `fields` says which part stands in the way",
    "store_unavailable": "503: the store cannot be read",
}
"""Every code that an error can carry, with its status and meaning."""

PROBLEM: Schema = {
    "type": "object",
    "description": "\n".join(
        ["Problem details (RFC 9457).", "", *(f"* `{code}` {text}" for code, text in CODES.items())]
    ),
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string", "description": "The phrase of the status."},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": list(CODES), "description": "Stable; made for programs."},
        "detail": {"type": "string", "description": "One sentence for people."},
        "fields": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
            "description": "Messages by field.",
        },
    },
    "required": ["type", "title", "status", "code", "detail"],
}
QUEUED: Schema = {
    "type": "object",
    "properties": {
        "write_id": {"type": "string"},
        "status": {"type": "string", "const": "queued"},
        "url": {"type": "string", "description": "Ask here for the outcome."},
    },
    "required": ["write_id", "status", "url"],
}


def _header(name: str, description: str, pattern: str) -> Schema:
    """Return a header without an example: the documentation page would send that with every request."""
    schema = {"type": "string", "pattern": pattern}
    return {"in": "header", "name": name, "schema": schema, "description": description}


_TAG = r'(W/)?"[!#-~]*"'
PREFER = _header(
    "Prefer",
    "RFC 7240: `respond-async` responds with 202 at once, `wait=5` waits 5 seconds, `return=minimal` leaves "
    "the body out.",
    r"""^([ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*([=;]([^",]|"([^"\\]|\\.)*")*)?)?(,|$))*$""",
)
KEY = _header(
    "Idempotency-Key",
    "Makes a retry safe: the same key and request get the first one's response, another request is 422. "
    'A text that is new for each write, such as `"8e03978e-40d5-43dd-bc93-6894a57f9324"` '
    "(draft-ietf-httpapi-idempotency-key-header).",
    r'^("([ !#-\[\]-~]|\\["\\]){1,255}"( *;.*)?|[!#-+\--~]{1,255})$',
)
IF_MATCH = _header(
    "If-Match",
    'RFC 9110: change only what still has this entity tag, such as `"7-2"`, else 412; checked by the writer.',
    rf"^(\*|{_TAG}(, *{_TAG})*)$",
)
IF_NONE_MATCH = _header(
    "If-None-Match",
    "RFC 9110: change only what has none of these entity tags, else 412; `*` is any. Checked by the writer.",
    rf"^(\*|{_TAG}(, *{_TAG})*)$",
)
READ_AFTER = _header(
    "Read-After",
    "Wait until this write is committed, then read; a `Write-Id` of an earlier response.",
    "^[0-9]{1,18}$",
)

ERRORS = {
    "400": "What was sent is not valid: `fields` says what is wrong, or the detail names the header.",
    "404": "There is no such object, or it is not for this user to see.",
    "409": "It conflicts with what is stored, the write was cancelled, or the first request with this key "
    "still waits.",
    "412": "The object is not in the state that If-Match, If-None-Match or `version` asks for.",
    "413": "The body has more than WRITE_MAX_BODY_BYTES.",
    "415": "The body is not application/json.",
    "422": "The Idempotency-Key belongs to another request.",
    "428": "WRITE_REQUIRE_IF_MATCH asks for If-Match, or for `version`.",
    "500": "The write function failed; the write took no effect.",
    "503": "Not now: `code` says what is in the way, Retry-After when to ask again.",
}
"""What an operation may respond with beyond its success, by HTTP status."""

REFUSALS = {
    "401": "No token and no session, or one that is not valid.",
    "403": "The user lacks a permission, or the token the scope `write`.",
    "429": "Too many requests; see Retry-After. `RateLimit` says how many are left, where there is a limit.",
}
"""What stands before each operation that is not for everybody, by HTTP status."""

TRANSACTIONS = "/api/transactions/"
OF_THE_PROCESS_ALONE = ("/health/live", "/api/")
"""Ask neither the store nor Redis."""
MANY = ("/api/items/bulk/", TRANSACTIONS)
NO_WRITES = ("/session_a", "/session_b")
"""Take no headers of writes: they are a demonstration."""


def document_what_is_shared(result: Schema, **_: Any) -> Schema:
    """Add headers, 202 and errors to every operation. A post-processing hook of drf-spectacular."""
    schemas = result["components"]["schemas"]
    schemas["Problem"], schemas["Queued"] = PROBLEM, QUEUED
    for name in schemas:
        _let_any_value_be_null(schemas[name])
        if name.endswith("Request"):
            _close(schemas[name], schemas[name.removeprefix("Patched").removesuffix("Request")])
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            _document(path, method, operation)
            add_examples(f"{method.upper()} {path}", operation["responses"])
    return result


def _close(request: Schema, shown: Schema) -> None:
    """Say of a body that it has no other fields than those that are shown, which it may send back."""
    ignored = {"description": "As it was read; ignored."}
    request["properties"] |= {
        name: ignored for name in shown["properties"] if name not in request["properties"]
    }
    request["additionalProperties"] = False


def _let_any_value_be_null(schema: Schema) -> None:
    """Say of a field only that it may hold anything: null is that too, and `oneOf` forbids to be both."""
    for field in schema.get("properties", {}).values():
        if {} in field.get("oneOf", ()):
            del field["oneOf"]


def _document(path: str, method: str, operation: Schema) -> None:
    responses = operation["responses"]
    responses["default"] = _response("Problem", "application/problem+json", "Any other error.")
    # Said of every operation: without a word, tools take it for forgotten.
    if any(operation.setdefault("security", [])):  # not for everybody
        for status, description in REFUSALS.items():
            responses[status] = _response("Problem", "application/problem+json", description)
    if "requestBody" in operation and method != "patch":  # which may change nothing
        operation["requestBody"]["required"] = True
    parameters = operation.setdefault("parameters", [])
    for status in _errors(path, method, has_body="requestBody" in operation):
        if status not in responses:
            responses[status] = _response("Problem", "application/problem+json", ERRORS[status])
    if method == "get":
        if path.startswith("/api/items/"):
            parameters.append(READ_AFTER)
        return
    if path in NO_WRITES:
        if settings.DEMO:
            operation["security"] = [{}]
        return
    parameters += [PREFER, KEY]
    if method != "post":
        parameters += [IF_MATCH, IF_NONE_MATCH]
    if method != "post" or path in MANY:
        responses.setdefault("204", {"description": "Done, without a body, as `return=minimal` asks."})
    responses["202"] = _response("Queued", "application/json", "Accepted, and not committed yet.")


def _errors(path: str, method: str, *, has_body: bool) -> Iterator[str]:
    """Yield the errors that an operation has of its own; what any request may meet is the default's."""
    if path not in OF_THE_PROCESS_ALONE:
        yield "503"  # the store, Redis or a wait
    if "{" in path or path == TRANSACTIONS:
        yield "404"
    if path in NO_WRITES or method == "get":
        # A list takes parameters, and what is read takes Read-After.
        yield from ("400",) if path.startswith("/api/items/") else ()
        return
    yield from ("400", "409", "422", "500")
    if has_body:
        yield from ("413", "415")
    if method != "post" or path == TRANSACTIONS:
        yield from ("412", "428")


def _response(name: str, media_type: str, description: str) -> Schema:
    content = {media_type: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return {"description": description, "content": content}
