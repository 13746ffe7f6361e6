"""Rules for the built website: every link leads somewhere, nothing comes from outside.

Every rule takes a `Site` and returns one line per breach, which names page and link.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

# Pages that the theme reaches by a form or not at all.
UNLINKED = {"404.html", "genindex.html", "py-modindex.html", "search.html"}
NOT_PAGES = {"_static", "_sources", "_downloads", "_images"}
LOADING_LINKS = {
    *("stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect"),
    *("dns-prefetch", "manifest", "apple-touch-icon", "mask-icon"),
}
LOADING_ATTRIBUTES = {
    "src": ("script", "img", "iframe", "audio", "video", "source", "embed", "track"),
    "poster": ("video",),
    "data": ("object",),
}
STYLE_ADDRESS = re.compile(r"(?:url\(\s*|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)")
REFRESH = re.compile(r"url\s*=\s*[\"']?([^\"'>\s]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Page:
    """A built page.

    Attributes
    ----------
    name : str
        Its path in the site.
    soup : BeautifulSoup
    """

    name: str
    soup: BeautifulSoup

    @cached_property
    def ids(self) -> list[str]:
        """All ids, in order."""
        return [element["id"] for element in self.soup.find_all(id=True)]

    @cached_property
    def anchors(self) -> set[str]:
        """Where a link can point to in the page."""
        return {
            *self.ids,
            *(a["name"] for a in self.soup.find_all("a", attrs={"name": True})),
        }

    def links(self) -> Iterator[str]:
        """Yield the addresses that a reader can follow."""
        for element in self.soup.find_all(["a", "area"], href=True):
            yield element["href"]
        for element in self.soup.select("meta[http-equiv=refresh]"):
            if found := REFRESH.search(element.get("content", "")):
                yield found[1]

    def resources(self) -> Iterator[str]:
        """Yield the addresses that a browser loads by itself."""
        for attribute, tags in LOADING_ATTRIBUTES.items():
            for element in self.soup.find_all(tags, attrs={attribute: True}):
                yield element[attribute]
        for element in self.soup.find_all("link", href=True):
            if LOADING_LINKS & set(element.get("rel", [])):
                yield element["href"]
        for element in self.soup.find_all(srcset=True):
            yield from (part.split()[0] for part in element["srcset"].split(","))


class Site:
    """The website in a folder, each page read once.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._pages: dict[str, Page] = {}

    def names(self) -> list[str]:
        """Return the pages of the site, sorted."""
        paths = (path.relative_to(self.folder) for path in self.folder.rglob("*.html"))
        return sorted(
            path.as_posix() for path in paths if path.parts[0] not in NOT_PAGES
        )

    def page(self, name: str) -> Page:
        """Return a page."""
        if name not in self._pages:
            text = (self.folder / name).read_text(encoding="utf-8")
            self._pages[name] = Page(name, BeautifulSoup(text, "html.parser"))
        return self._pages[name]

    def target(self, page: str, address: str) -> tuple[str, str] | None:
        """Return file and anchor that an address leads to; None when it leaves."""
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            return None
        if not parts.path:
            return page, unquote(parts.fragment)
        start = self.folder.resolve()
        path = (start / page).parent / unquote(parts.path)
        path = path.resolve()
        path = path / "index.html" if path.is_dir() else path
        inside = path.is_relative_to(start)
        name = path.relative_to(start).as_posix() if inside else str(parts.path)
        return name, unquote(parts.fragment)


def links_lead_somewhere(site: Site, name: str) -> list[str]:
    """Each link and each resource of the site exists, anchors included."""
    problems, page = [], site.page(name)
    for address in sorted({*page.links(), *page.resources()}):
        target = site.target(name, address)
        if target is None:
            continue
        file, anchor = target
        if not (site.folder / file).is_file():
            problems.append(f"{name}: {address} leads to no file; correct the link")
        elif anchor and file in site.names() and anchor not in site.page(file).anchors:
            problems.append(f"{name}: {address} has no such anchor; correct the link")
    return problems


def ids_are_unique(site: Site, name: str) -> list[str]:
    """No two elements of a page have one id."""
    ids = site.page(name).ids
    repeated = sorted({one for one in ids if ids.count(one) > 1})
    return [f"{name}: id {one!r} stands {ids.count(one)} times" for one in repeated]


def page_loads_nothing_foreign(site: Site, name: str) -> list[str]:
    """No script, style, font or picture comes from another host."""
    soup = site.page(name).soup
    styles = "\n".join(style.get_text() for style in soup.find_all("style"))
    addresses = {*site.page(name).resources(), *STYLE_ADDRESS.findall(styles)}
    return [
        f"{name}: loads {address}; keep a local copy"
        for address in sorted(addresses)
        if urlsplit(address).netloc
    ]


def styles_load_nothing_foreign(site: Site) -> list[str]:
    """No style sheet loads a font, picture or sheet of another host."""
    return [
        f"{path.relative_to(site.folder)}: loads {address}; keep a local copy"
        for path in sorted(site.folder.rglob("*.css"))
        for address in STYLE_ADDRESS.findall(path.read_text(encoding="utf-8"))
    ]


def pages_can_be_reached(site: Site) -> list[str]:
    """Every page can be reached from the first by links."""
    names = set(site.names())
    reached, waiting = set(), ["index.html"]
    while waiting:
        name = waiting.pop()
        if name in reached or name not in names:
            continue
        reached.add(name)
        targets = (site.target(name, address) for address in site.page(name).links())
        waiting += [target[0] for target in targets if target]
    return [
        f"{name}: no link leads to it from index.html; list it in _toc.yml or clean"
        for name in sorted(names - reached - UNLINKED)
    ]


PAGE_RULES = (links_lead_somewhere, ids_are_unique, page_loads_nothing_foreign)
SITE_RULES = (styles_load_nothing_foreign, pages_can_be_reached)
