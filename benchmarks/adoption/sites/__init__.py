"""The public applications that are measured, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.adoption.person import Person
from benchmarks.adoption.sites import helpdesk_people, helpdesk_project, shop_people, shop_project

__all__ = ["SITES", "Site"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An application: what makes a project of it, who uses it, and what to look for afterwards."""

    name: str
    package: str
    """What it is called in the package index."""
    settings: str
    """Python, appended to the settings that `startproject` makes."""
    urls: str
    fill: str
    """Python, run in the project's shell: what the store holds before the load."""
    rows: Mapping[str, str]
    """SQL by kind of the ledger."""
    person_of: Callable[[int], type[Person]]


SITES = {
    "shop": Site(
        name="shop",
        package="django-oscar",
        settings=shop_project.SETTINGS,
        urls=shop_project.URLS,
        fill=shop_project.FILL,
        rows=shop_people.ROWS,
        person_of=shop_people.person_of,
    ),
    "helpdesk": Site(
        name="helpdesk",
        package="django-helpdesk",
        settings=helpdesk_project.SETTINGS,
        urls=helpdesk_project.URLS,
        fill=helpdesk_project.FILL,
        rows=helpdesk_people.ROWS,
        person_of=helpdesk_people.person_of,
    ),
}
