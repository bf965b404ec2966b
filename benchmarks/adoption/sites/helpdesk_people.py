"""Who comes to the help desk: its staff with a browser, scripts that use its API, and those who need help."""

import json
from collections.abc import Sequence

from benchmarks.adoption.browser import Page
from benchmarks.adoption.ledger import GONE
from benchmarks.adoption.person import PASSWORD, Person, Step

ROWS = {
    # Things: name and value.
    "ticket": "SELECT title, priority FROM helpdesk_ticket WHERE title LIKE 'client%'",
    "comment": "SELECT comment, public FROM helpdesk_followup WHERE comment LIKE 'client%'",
    "reply": "SELECT name, body FROM helpdesk_presetreply",
    # Tallies: who, and how many.
    "take": """
        SELECT username, count(*) FROM helpdesk_followup JOIN auth_user u ON u.id = user_id
        WHERE helpdesk_followup.title = 'Assigned to ' || username GROUP BY username""",
}
QUEUES = 4
API = "/helpdesk/api"


def _ticket(person: Person, title: str) -> dict[str, str]:
    return {
        "title": title,
        "body": "It does not work.",
        "queue": str(person.random.randint(1, QUEUES)),
        "priority": "3",
        "submitter_email": f"{person.name}@example.org",
    }


class Staff(Person):
    """Answers tickets in the help desk's own pages, and edits prepared replies in Django's admin."""

    def habits(self) -> Sequence[tuple[int, Step]]:
        return [
            (20, self.handle),
            (10, self.discard),
            (10, self.edit_replies),
            (10, self.look_at_dashboard),
            (20, self.look_at_ticket),
            (1, self.log_in),
        ]

    async def log_in(self) -> None:
        await self.admin_log_in()

    async def look_at_dashboard(self) -> None:
        await self.get("dashboard", "/helpdesk/dashboard/")

    async def look_at_ticket(self) -> None:
        await self.get("ticket page", f"/helpdesk/tickets/{self.random.randint(1, 100)}/")

    async def edit_replies(self) -> None:
        await self.admin_work("helpdesk/presetreply", "reply", "name", "body")

    async def open(self) -> tuple[str, Page]:
        """Open a ticket for somebody; return its title, and the response, which leads to the ticket."""
        title = self.new_name()
        fields = _ticket(self, title)
        path = "/helpdesk/tickets/submit/"
        return title, await self.fill_in("ticket add", path, fields, thing=("ticket", title), value="3")

    async def handle(self) -> None:
        """Open a ticket, take it (a GET that writes), look at it, and comment on it."""
        title, opened = await self.open()
        path = opened.location
        await self.get("ticket take", f"{path}?take", tally="take", expected=302)
        comment = self.new_name()
        await self.get("ticket page", path)
        fields = {"title": title, "comment": comment, "public": "1", "queue": "1", "priority": "3"}
        thing = ("comment", comment)
        await self.change("comment add", f"{path}update/", fields, thing=thing, value="1")

    async def discard(self) -> None:
        """Open a ticket, and delete it."""
        title, opened = await self.open()
        path = f"{opened.location}delete/"
        await self.fill_in("ticket delete", path, {}, thing=("ticket", title), value=GONE)


class Script(Staff):
    """Uses the API, with a session as the site's own pages have it."""

    def habits(self) -> Sequence[tuple[int, Step]]:
        return [(30, self.report), (10, self.look_at_comments), (10, self.look_at_ticket), (1, self.log_in)]

    async def look_at_comments(self) -> None:
        await self.get("api list", f"{API}/followups/")

    async def report(self) -> None:
        """Create a ticket and a comment, change the comment, and delete it more often than not."""
        title, comment = self.new_name(), self.new_name()
        ticket = {
            "queue": self.random.randint(1, QUEUES),
            "title": title,
            "description": "It does not work.",
            "submitter_email": f"{self.name}@example.org",
            "priority": 3,
        }
        made = await self.send("api ticket add", "POST", "/tickets/", ticket, ("ticket", title), "3")
        thing = ("comment", comment)
        fields = {"ticket": json.loads(made.text)["id"], "comment": comment, "public": False}
        made = await self.send("api comment add", "POST", "/followups/", fields, thing, "0")
        path = f"/followups/{json.loads(made.text)['id']}/"
        await self.send("api comment change", "PATCH", path, {"public": True}, thing, "1")
        if self.random.random() < 0.7:
            await self.send("api comment delete", "DELETE", path, {}, thing, GONE)

    async def send(
        self,
        what: str,
        method: str,
        path: str,
        content: dict[str, object],
        thing: tuple[str, str],
        value: str | None,
    ) -> Page:
        body = json.dumps(content).encode() if content else b""
        return await self.change_json(what, method, f"{API}{path}", body, thing=thing, value=value)


class Reporter(Person):
    """Has a problem: opens tickets on the public page and looks at them and at the questions."""

    def habits(self) -> Sequence[tuple[int, Step]]:
        return [(40, self.report), (20, self.look_at_questions), (20, self.look_at_tickets), (1, self.log_in)]

    async def log_in(self) -> None:
        self.browser.cookies.clear()
        await self.get("log in, form", "/helpdesk/login/")
        await self.post("log in", "/helpdesk/login/", {"username": self.name, "password": PASSWORD})

    async def look_at_questions(self) -> None:
        await self.get("questions", "/helpdesk/kb/questions/")

    async def look_at_tickets(self) -> None:
        await self.get("my tickets", "/helpdesk/tickets/my-tickets/")

    async def report(self) -> None:
        title = self.new_name()
        fields = _ticket(self, title)
        path = "/helpdesk/tickets/submit/"
        made = await self.fill_in("public ticket add", path, fields, thing=("ticket", title), value="3")
        await self.get("public ticket page", made.location)


def person_of(number: int) -> type[Person]:
    """Return what the client of this number is: FILL makes superusers of all but every fourth."""
    return (Staff, Script, Staff, Reporter)[number % 4]
