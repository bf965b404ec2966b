"""How Sphinx makes pages of these documents: `make docs`.

The documents are read on their own too, so they link to files of the repository. Here such a link leads to
the page that is made of the file, and is plain text where there is none.
"""

import os
import re
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index",
    "CHANGELOG.md": "reference/changelog",
    "CONTRIBUTING.md": "reference/contributing",
    "benchmarks/README.md": "reference/benchmark",
    "benchmarks/results/results.md": "reference/benchmark-results",
    "workers/DESIGN.md": "reference/design",
    "workers/SETTINGS.md": "reference/settings",
    "workers/WRITE_FUNCTIONS.md": "reference/write-functions",
}
"""Documents that stand elsewhere in the repository, and the page that is made of each."""
SOURCES = {page: path for path, page in PAGES.items() if page != "index"}

project = "One Writer"
copyright = "the authors of One Writer"  # noqa: A001  # its name is Sphinx's
extensions = ["myst_parser"]
html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_show_sphinx = False
# Excerpts of what is found would be asked for page by page, which a browser refuses to a page from the disk.
html_show_search_summary = False
html_copy_source = html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#205067", "color-brand-content": "#205067"},
    "dark_css_variables": {"color-brand-primary": "#79aec8", "color-brand-content": "#79aec8"},
}
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]


def _page(target: str, directory: Path) -> str | None:
    """Return the page that a link of a document in `directory` leads to, from the root of the pages."""
    file, _, anchor = target.partition("#")
    path = (directory / file).resolve()
    if not path.is_relative_to(REPOSITORY):
        return None
    name = str(path.relative_to(REPOSITORY))
    page = PAGES.get(name) or (
        name.removeprefix("docs/").removesuffix(".md")
        if name.startswith("docs/") and name.endswith(".md")
        else None
    )
    return f"/{page}.md" + (f"#{anchor}" if anchor else "") if page else None


def _links_to_pages(text: str, directory: Path, page: str) -> str:
    """Have a document's links lead to pages, and its pictures to where they are from this page."""

    def lead(link: re.Match[str]) -> str:
        mark, words, target = link.groups()
        if mark:
            place = os.path.relpath(directory / target, (REPOSITORY / "docs" / page).parent)
            return f"![{words}]({place})"
        to = _page(target, directory)
        return f"[{words}]({to})" if to else words

    return re.sub(r"(!?)\[([^\]]+)\]\((?!https?:|#)([^)\s]+)\)", lead, text)


def _read(app: Any, page: str, source: list[str]) -> None:
    """Take a page's text from where it stands, and have its links lead to pages."""
    path = REPOSITORY / SOURCES.get(page, f"docs/{page}.md")
    if page in SOURCES:
        app.env.note_dependency(str(path))
        source[0] = path.read_text()
    source[0] = _links_to_pages(source[0], path.parent, page)


def setup(app: Any) -> None:
    app.connect("source-read", _read)
