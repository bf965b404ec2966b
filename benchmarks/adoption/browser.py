"""A browser without a screen: one kept-alive connection, cookies, and forms filled in as a person does it."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urlencode

RESPONSE_SECONDS = 90.0
"""Longer than any of the ways keeps a request waiting, so that the longest waits are seen and not cut off."""

FORM = "application/x-www-form-urlencoded"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_COOKIE = re.compile(rb"\r\nset-cookie: *([^=;\r\n]+)=([^;\r\n]*)", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: *([^\r\n]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A response. Status 0 is none at all: the connection was cut, or time was up."""

    status: int
    seconds: float
    text: str = ""
    location: str = ""


class Browser:
    """One person's browser. It follows no redirects: who asks decides."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.cookies: dict[str, str] = {}

    async def get(self, path: str) -> Page:
        return await self._ask("GET", path, b"", {})

    async def submit(self, path: str, fields: Mapping[str, str]) -> Page:
        """Send a form, with the CSRF token."""
        body = urlencode({"csrfmiddlewaretoken": self._token(), **fields}).encode()
        return await self._ask("POST", path, body, {"Content-Type": FORM})

    async def send_json(self, method: str, path: str, body: bytes) -> Page:
        """Send JSON as a script of the site's own pages does, with session and CSRF token."""
        headers = {"Content-Type": "application/json", "X-CSRFToken": self._token()}
        return await self._ask(method, path, body, headers)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    def _token(self) -> str:
        return self.cookies.get("csrftoken", "")

    async def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Page:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                head, content = await self._exchange(self._head(method, path, body, headers) + body)
        except (OSError, EOFError, ValueError):  # TimeoutError is an OSError, IncompleteReadError an EOFError
            self.close()
            return Page(status=0, seconds=time.perf_counter() - started)
        except BaseException:
            self.close()
            raise
        location = match[1].decode() if (match := _LOCATION.search(head)) else ""
        for name, value in _COOKIE.findall(head):
            self.cookies[name.decode()] = value.decode()
        if _CLOSES.search(head):
            self.close()
        seconds = time.perf_counter() - started
        text = content.decode(errors="replace")
        return Page(status=int(head[9:12]), seconds=seconds, text=text, location=location)

    def _head(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        lines = {"Host": f"127.0.0.1:{self._port}", "Content-Length": str(len(body)), **headers}
        if cookies:
            lines["Cookie"] = cookies
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{method} {path} HTTP/1.1\r\n{text}\r\n".encode()

    async def _exchange(self, request: bytes) -> tuple[bytes, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if match := _LENGTH.search(head):
            return head, await reader.readexactly(int(match[1]))
        if _CHUNKED.search(head):
            return head, await _chunks(reader)
        return head, b""


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    whole = b""
    while length := int(await reader.readuntil(b"\r\n"), 16):
        whole += (await reader.readexactly(length + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return whole


def form_fields(html: str, action: str = "") -> dict[str, str]:
    """Return what a browser would send of a page's POST form if nobody changed anything.

    With `action`, only the form whose action ends in it; else all POST forms of the page. The CSRF token is
    left out, the buttons are too.
    """
    parser = _Form(action)
    parser.feed(html)
    parser.fields.pop("csrfmiddlewaretoken", None)
    return parser.fields


class _Form(HTMLParser):
    def __init__(self, action: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._action = action
        self._is_inside = False
        self._select = ""
        self._is_multiple = False
        self._text_area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            is_post = (found.get("method") or "").lower() == "post"
            self._is_inside = is_post and (found.get("action") or "").endswith(self._action)
        if not self._is_inside:
            return
        name = found.get("name") or ""
        if tag == "input" and name:
            self._input(name, found)
        elif tag == "select":
            self._select, self._is_multiple = name, "multiple" in found
        elif tag == "option" and self._select:
            # Where none is marked, a browser sends the first one, unless there may be several or none.
            is_first = not self._is_multiple and self._select not in self.fields
            if "selected" in found or is_first:
                self.fields[self._select] = found.get("value") or ""
        elif tag == "textarea" and name:
            self._text_area, self.fields[name] = name, ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._text_area = ""

    def handle_data(self, data: str) -> None:
        if self._text_area:
            self.fields[self._text_area] += data.removeprefix("\n")

    def _input(self, name: str, found: Mapping[str, str | None]) -> None:
        kind = (found.get("type") or "text").lower()
        if kind in {"submit", "button", "image", "file", "reset"}:
            return
        if kind in {"checkbox", "radio"} and "checked" not in found:
            return
        self.fields[name] = found.get("value") or ("on" if kind == "checkbox" else "")
