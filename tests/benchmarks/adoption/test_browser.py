import asyncio
from collections.abc import Awaitable, Callable

from benchmarks.adoption import browser
from benchmarks.adoption.browser import Browser, Page, form_fields

HTML = """
<form method="post" action="/logout/"><input type="hidden" name="next" value="/"></form>
<form method="get"><input name="q" value="searched"></form>
<form method="POST" action="/pages/add/">
  <input type="hidden" name="csrfmiddlewaretoken" value="abc">
  <input name="title" value="A &amp; B"><input name="empty">
  <input type="checkbox" name="ticked" checked><input type="checkbox" name="bare">
  <input type="radio" name="size" value="s"><input type="radio" name="size" value="m" checked>
  <select name="first"><option value="1">one<option value="2">two</select>
  <select name="chosen"><option value="1">one<option value="2" selected>two</select>
  <select name="many" multiple><option value="1">one</select>
  <textarea name="body">
two
lines</textarea>
  <input type="submit" name="_save" value="Save"><input type="file" name="image">
</form>
"""


def test_a_form_is_sent_as_a_browser_would_send_it_unchanged() -> None:
    assert form_fields(HTML, "/pages/add/") == {
        "title": "A & B",
        "empty": "",
        "ticked": "on",
        "size": "m",
        "first": "1",
        "chosen": "2",
        "body": "two\nlines",
    }


def test_without_an_action_all_forms_that_are_posted_count() -> None:
    fields = form_fields(HTML)

    assert fields["next"] == "/"
    assert "q" not in fields


Script = Callable[[Browser], Awaitable[list[Page]]]


def served(responses: list[bytes], script: Script) -> tuple[list[Page], list[bytes]]:
    """Give one response to each request, and return the pages and the requests."""
    requests: list[bytes] = []
    left = iter(responses)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                requests.append(head + await reader.readexactly(length))
                response = next(left, b"")
                writer.write(response)
                if not response:
                    return
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def run() -> list[Page]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        visitor = Browser(server.sockets[0].getsockname()[1])
        try:
            return await script(visitor)
        finally:
            visitor.close()
            server.close()

    return asyncio.run(run()), requests


def response(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    lines = "".join(f"{header}\r\n" for header in (*headers, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def test_cookies_and_the_csrf_token_go_with_the_next_form() -> None:
    async def script(visitor: Browser) -> list[Page]:
        await visitor.get("/form/")
        return [await visitor.submit("/form/", {"title": "a b"})]

    cookies = ("Set-Cookie: csrftoken=secret; Path=/", "Set-Cookie: sessionid=mine; HttpOnly")
    pages, requests = served(
        [response(b"form", *cookies), response(b"", "Location: /done/", status="302 Found")], script
    )

    assert (pages[0].status, pages[0].location) == (302, "/done/")
    assert b"Cookie: csrftoken=secret; sessionid=mine\r\n" in requests[1]
    assert requests[1].endswith(b"\r\n\r\ncsrfmiddlewaretoken=secret&title=a+b")


def test_a_response_in_chunks_is_read_whole_and_the_connection_used_again() -> None:
    async def script(visitor: Browser) -> list[Page]:
        return [await visitor.get("/"), await visitor.get("/")]

    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    pages, _ = served([chunked, response(b"next")], script)

    assert [page.text for page in pages] == ["abcde", "next"]


def test_a_connection_that_is_cut_is_a_response_of_its_own_kind_and_the_next_request_connects_again() -> None:
    async def script(visitor: Browser) -> list[Page]:
        return [await visitor.get("/"), await visitor.get("/")]

    pages, requests = served([b"", response(b"back")], script)

    assert [page.status for page in pages] == [0, 200]
    assert len(requests) == 2


def test_a_server_that_refuses_connections_is_no_response() -> None:
    async def ask() -> Page:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return await Browser(port).get("/")

    assert asyncio.run(ask()).status == 0


def test_a_request_that_gets_no_response_in_time_is_given_up(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(browser, "RESPONSE_SECONDS", 0.05)

    async def script(visitor: Browser) -> list[Page]:
        return [await visitor.get("/")]

    pages, _ = served([b"HTTP/1.1 200 OK\r\n"], script)

    assert pages[0].status == 0
