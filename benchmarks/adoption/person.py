"""A client of the closed loop: a person with a browser, who does one thing after the other."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from benchmarks.adoption.browser import Browser, Page, form_fields
from benchmarks.adoption.ledger import GONE, Ledger

PASSWORD = "a password"
LOGIN_TRIES = 30
MAX_EXAMPLES = 10


@dataclass(slots=True)
class Journal:
    """What all clients of a run saw of their responses."""

    entries: list[tuple[str, str, int, float, bool, float]] = field(default_factory=list)
    """What was done, method, status, seconds, whether it was a success, and when it was over."""
    examples: list[str] = field(default_factory=list)
    """Of responses that are neither a success nor the server's error: a script that does not fit."""


class Failed(Exception):
    """A response was not what the script goes on from; it is noted already."""


Step = Callable[[], Awaitable[None]]


class Person:
    """The base of a site's clients. A subclass says how it logs in, and what it does how often."""

    def __init__(self, number: int, *, port: int, journal: Journal, ledger: Ledger) -> None:
        self.name = f"client{number}"
        self.browser = Browser(port)
        self.journal = journal
        self.ledger = ledger
        # The same sequence for all ways, as far as the responses let it be.
        self.random = random.Random(number)
        self._made = 0
        self._chosen = self.habits()

    def habits(self) -> Sequence[tuple[int, Step]]:
        """Return what it does, each with its weight."""
        raise NotImplementedError

    async def log_in(self) -> None:
        """Log in once. Raises Failed."""
        raise NotImplementedError

    async def arrive(self) -> None:
        """Log in, however often it takes."""
        for _ in range(LOGIN_TRIES):
            try:
                return await self.log_in()
            except Failed:
                await asyncio.sleep(self.random.random())
        raise Failed(f"{self.name} could not log in")

    async def act(self) -> None:
        """Do one thing, of one or several requests."""
        weights, steps = zip(*self._chosen, strict=True)
        try:
            await self.random.choices(steps, weights)[0]()
        except Failed:
            # As long as everybody else's fastest requests take: errors must not win by being quick.
            await asyncio.sleep(0.01)

    def new_name(self) -> str:
        """Return a name that nothing else of the run has."""
        self._made += 1
        return f"{self.name}-{self._made}"

    async def get(self, what: str, path: str, *, tally: str = "", expected: int = 200) -> Page:
        """Look at a page; with `tally`, one that the site counts for this person."""
        page = await self.browser.get(path)
        is_success = self._note(what, "GET", page, expected)
        if tally:
            self.ledger.count(tally, self.name, status=page.status, is_success=is_success)
        return self._or_failed(page, is_success)

    async def post(
        self, what: str, path: str, fields: Mapping[str, str], *, tally: str = "", expected: int = 302
    ) -> Page:
        """Send a form whose success is a redirect."""
        page = await self.browser.submit(path, fields)
        is_success = self._note(what, "POST", page, expected)
        if tally:
            self.ledger.count(tally, self.name, status=page.status, is_success=is_success)
        return self._or_failed(page, is_success)

    async def change(
        self, what: str, path: str, fields: Mapping[str, str], *, thing: tuple[str, str], value: str | None
    ) -> Page:
        """Send a form that gives a thing this value, or takes it away."""
        page = await self.browser.submit(path, fields)
        is_success = self._note(what, "POST", page, 302)
        self.ledger.change(*thing, value, status=page.status, is_success=is_success)
        return self._or_failed(page, is_success)

    async def change_json(
        self, what: str, method: str, path: str, body: bytes, *, thing: tuple[str, str], value: str | None
    ) -> Page:
        """Do the same through an API."""
        page = await self.browser.send_json(method, path, body)
        expected = {"POST": 201, "DELETE": 204}.get(method, 200)
        is_success = self._note(what, method, page, expected)
        self.ledger.change(*thing, value, status=page.status, is_success=is_success)
        return self._or_failed(page, is_success)

    async def fill_in(
        self,
        what: str,
        path: str,
        fields: Mapping[str, str],
        *,
        thing: tuple[str, str],
        value: str | None,
        action: str = "",
    ) -> Page:
        """Get a page with a form, fill it in and send it."""
        page = await self.get(f"{what}, form", path)
        filled = form_fields(page.text, action) | dict(fields)
        return await self.change(what, path, filled, thing=thing, value=value)

    async def admin_log_in(self) -> None:
        """Log in through Django's admin."""
        self.browser.cookies.clear()
        await self.get("log in, form", "/admin/login/")
        fields = {"username": self.name, "password": PASSWORD, "next": "/admin/"}
        await self.post("log in", "/admin/login/?next=/admin/", fields)

    async def admin_work(self, model: str, kind: str, name_field: str, value_field: str) -> None:
        """Add an object in Django's admin, change it, and delete it more often than not."""
        name = self.new_name()
        thing, more = (kind, name), {"_continue": "1"}
        fields = {name_field: name, value_field: "first", **more}
        added = await self.fill_in("admin add", f"/admin/{model}/add/", fields, thing=thing, value="first")
        path = added.location
        fields = {value_field: "second", **more}
        await self.fill_in("admin change", path, fields, thing=thing, value="second")
        if self.random.random() < 0.7:
            delete = path.replace("/change/", "/delete/")
            await self.fill_in("admin delete", delete, {"post": "yes"}, thing=thing, value=GONE)

    def _note(self, what: str, method: str, page: Page, expected: int) -> bool:
        is_success = page.status == expected
        self.journal.entries.append((what, method, page.status, page.seconds, is_success, perf_counter()))
        if not is_success and 0 < page.status < 500 and len(self.journal.examples) < MAX_EXAMPLES:
            said = " ".join(page.text.split())
            self.journal.examples.append(f"{what}: {page.status} {page.location} {said[:300]}")
        return is_success

    def _or_failed(self, page: Page, is_success: bool) -> Page:
        if not is_success:
            raise Failed
        return page
