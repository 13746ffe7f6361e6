"""Sphinx extension: the ledger, the reference of the library, and the book's style.

Tests    tests/website/test_pages.py

Imports no torch, so that the website is built without it.
"""

import hashlib
import html
import re
import shutil
from pathlib import Path
from typing import Any

import griffe
from docutils import nodes
from docutils.parsers.rst import directives
from pybtex.database import Entry, parse_file
from pybtex.richtext import Text
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

from genai_lib.website import ledger, reference, tables
from genai_lib.website.repository import find_repository, source_address

HERE = Path(__file__).parent
STYLE, SCRIPT = "page.css", "tables.js"
BIBLIOGRAPHY = "chapters/reading/bibliography"
SORTABLE = "genai-sortable"
# Roles that accessibility checks refuse: `doc-biblioentry` is deprecated, and without
# it the elements of `citation-list` are not items of a list.
CITATION_ROLE = re.compile(
    r' role="doc-biblioentry"| role="list"(?= class="citation-list")'
)
# A line must not break between ≈ and its number.
SIGN = re.compile(r"≈ (?=[-\d])")

CHAPTER = re.compile(r"^Chapter\s+(\S+?)(?:\.ipynb|\.md)?\s*$", re.MULTILINE)
WEBSITE = ("live", "website", "reading")


def short_citation(entry: Entry) -> str:
    """Return the short form of a citation, as in the text: "Guo et al. 2017".

    Parameters
    ----------
    entry : pybtex Entry
    """
    people = entry.persons.get("author", [])
    last = [" ".join((*person.prelast_names, *person.last_names)) for person in people]
    names = f"{last[0]} et al." if len(last) > 2 else " and ".join(last)
    words = Text.from_latex(names or entry.fields.get("title", ""))
    return f"{words} {entry.fields.get('year', '')}"


class LedgerDirective(SphinxDirective):
    """Place a table of the ledger on a page: ```{ledger} claims, costs or cited."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Insert the table, made anew in every build."""
        self.env.note_reread()
        root = Path(self.env.srcdir)
        try:
            kind = directives.choice(self.arguments[0], ("claims", "costs", "cited"))
            markup = self._table(kind, root)
        except (ValueError, KeyError) as error:
            raise self.error(str(error)) from error
        return [nodes.raw("", markup, format="html")]

    def _table(self, kind: str, root: Path) -> str:
        chapters = ledger.read_chapters(root)
        titles = {chapter.path: chapter.title for chapter in chapters}
        self._entries = parse_file(root / "references.bib").entries

        def link(path: str) -> str:
            return self._link(path, titles[path])

        if kind == "cited":
            return tables.cited_table(ledger.read_cited(root), link, self._cite)
        if kind == "costs":
            return tables.costs_table(chapters, lambda chapter: link(chapter.path))
        return tables.claims_table(
            chapters, lambda chapter: link(chapter.path), self._cite
        )

    def _cite(self, key: str) -> str:
        if key not in self._entries:
            raise ValueError(f"source={key!r} must be a key of references.bib")
        return self._link(
            f"{BIBLIOGRAPHY}#cite-{key}", short_citation(self._entries[key])
        )

    def _link(self, target: str, words: str) -> str:
        page, _, anchor = target.partition("#")
        builder = self.env.app.builder
        address = builder.get_relative_uri(self.env.docname, page)
        address = f"{address}#{anchor}" if anchor else address
        return f'<a href="{address}">{html.escape(words, quote=False)}</a>'


def page_of(module: griffe.Module, parts: set[str]) -> str:
    """Name the page of a module: its part, if that has one, "website" or "shared"."""
    part = f"{module.path}.".split(".")[1]
    return part if part in parts else "website" if part in WEBSITE else "shared"


class LibraryDirective(SphinxDirective):
    """Place a part of the library on a page: ```{library-reference} components.

    A part is a folder of the library with a page of its own beside this one.
    "website" is what builds these pages, "shared" is all the rest.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Insert a section for each module, made anew in every build."""
        self.env.note_reread()
        root = Path(self.env.srcdir)
        self._repository = find_repository(root)
        documents = sorted(self.env.found_docs)
        self._topics = {name.rpartition("/")[2]: name for name in documents}
        folder = self.env.docname.rpartition("/")[0]
        parts = {name.removeprefix(f"{folder}/") for name in documents}
        found = []
        for module, names in reference.read_library(root).items():
            if page_of(module, parts) == self.arguments[0]:
                self._note(names)
                found.append(reference.module_section(module, names, self._place))
        if not found:
            raise self.error(f"library-reference: {self.arguments[0]!r} has no names")
        return found

    def _note(self, names: list[reference.Named]) -> None:
        """Add names to the search and the index of the website."""
        domain = self.env.get_domain("py")
        for one in names:
            domain.note_object(one.path, reference.kind(one), one.path)
            self._note(reference.methods(one))

    def _place(self, named: reference.Named) -> nodes.paragraph:
        """Link a name to its chapter and to its source."""
        found = nodes.paragraph("", "", classes=["genai-place"])
        if link := self._chapter(named.parent):
            found += [nodes.Text("Chapter: "), link, nodes.Text(" · ")]
        path = named.filepath.relative_to(self.env.srcdir).as_posix()
        words = f"{path}, line {named.lineno}"
        source, lines = nodes.inline(words, words), (named.lineno, named.endlineno)
        if self._repository and (
            place := source_address(self._repository, path, *lines)
        ):
            source = nodes.reference(words, words, refuri=place)
        found += [nodes.Text("Source: "), source]
        return found

    def _chapter(self, module: griffe.Module) -> nodes.Node | None:
        named = CHAPTER.search(reference.text(module))
        name = named[1] if named else self._topics.get(module.name)
        if name not in self.env.found_docs:
            return None
        return addnodes.pending_xref(
            "",
            nodes.inline("", ""),
            refdomain="std",
            reftype="doc",
            reftarget=f"/{name}",
            refexplicit=False,
            refdoc=self.env.docname,
            refwarn=True,
        )


def note_style(app: Sphinx, config: Config) -> None:
    """Write every page again when the style or the script changes."""
    digest = hashlib.sha256()
    for name in (STYLE, SCRIPT):
        digest.update((HERE / name).read_bytes())
    config.genai_pages_digest = digest.hexdigest()[:16]


def write_assets(app: Sphinx) -> None:
    """Write the style and the script before the first page asks for them."""
    if app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "genai"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (STYLE, SCRIPT):
        shutil.copyfile(HERE / name, folder / name)


def finish_page(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Add the style and the script of the tables to a page, and remove wrong roles."""
    app.add_css_file(f"genai/{STYLE}", priority=900)
    body = CITATION_ROLE.sub("", context.get("body", ""))
    if "cell_output" in body:
        body = SIGN.sub("≈\u00a0", body)
    context["body"] = body
    if SORTABLE in body:
        app.add_js_file(f"genai/{SCRIPT}", loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_config_value("genai_pages_digest", "", "html")
    app.add_directive("ledger", LedgerDirective)
    app.add_directive("library-reference", LibraryDirective)
    app.connect("config-inited", note_style)
    app.connect("builder-inited", write_assets)
    app.connect("html-page-context", finish_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
