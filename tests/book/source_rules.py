"""Rules for all sources: no third party on a page, no trace of a machine.

Every rule takes the folder of the book and returns one line per breach, which names
the file and the remedy.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from tests.book.notebook_rules import notebooks

NOT_SOURCES = {"_build", "build", "__pycache__", "node_modules", "shared"}
SHOWN = {".ci", ".github"}
TEXT = {
    *(".bib", ".cfg", ".cff", ".css", ".html", ".ipynb", ".js", ".json", ".md", ".py"),
    *(".svg", ".toml", ".txt", ".yaml", ".yml", ""),
}
# A Content Delivery Network, by the words in the names of their hosts.
NETWORKS = re.compile(
    r"https?:(?:\\?/){2}[\w.-]*"
    r"(?:cdn|unpkg|jspm|esm\.sh|skypack|googleapis|gstatic|fontawesome)[\w.@/+-]*"
)
THIRD_PARTY = re.compile(
    r"<(?:script|img|iframe|link|audio|video|source|embed)\b[^>]*?"
    r"\b(?:src|href|srcset)\s*=\s*\\?[\"']?\s*(?:https?:)?//",
    re.IGNORECASE,
)
THIRD_PARTY_PICTURE = re.compile(r"!\[[^\]]*\]\(\s*<?(?:https?:)?//")
PINNED = re.compile(r"@\d+\.\d+\.\d+$")
LIST = re.compile(r"\[([^\[\]]*)\]")
LOADED = re.compile(r"[\"'](vega[\w-]*(?:@[\w.^~-]*)?)[\"']")
LOADER = Path("genai_lib/live/loader.js")
HOME = re.compile(r"(?<![\w.-])/(?:home|Users)/\w+|\b[A-Z]:\\+Users\\")


def pages_load_nothing_foreign(root: Path) -> list[str]:
    """Nothing on a page comes from another host."""
    problems = []
    for name, text in _what_pages_show(root):
        for pattern in (THIRD_PARTY, THIRD_PARTY_PICTURE):
            if found := pattern.search(text):
                said = f"loads from another host, {found[0]!r}; keep a local copy"
                problems.append(f"{name}: {said}")
    return problems


def no_network_is_named(root: Path) -> list[str]:
    """No delivery network is named but in the loader for notebooks elsewhere."""
    problems = []
    loader = root / LOADER
    allowed = set(NETWORKS.findall(_read(loader))) if loader.is_file() else set()
    for name, text in [*_what_pages_show(root), *_library(root)]:
        foreign = sorted(set(NETWORKS.findall(text)) - allowed)
        if foreign:
            said = f"names the network {foreign[0]}; keep a local copy"
            problems.append(f"{name}: {said}")
    return problems


def loader_pins_versions(root: Path) -> list[str]:
    """The loader for notebooks elsewhere names full versions."""
    loader = root / LOADER
    lists = LIST.findall(_read(loader)) if loader.is_file() else []
    names = [name for entries in lists for name in LOADED.findall(entries)]
    return [
        f"{LOADER.as_posix()}: {name!r} has no full version; write {name}@1.2.3"
        for name in names
        if not PINNED.search(name)
    ]


def _what_pages_show(root: Path) -> Iterator[tuple[str, str]]:
    """Yield Markdown, code and HTML outputs of the pages, and the configuration."""
    for notebook in notebooks(root):
        for number, _, source in notebook.cells():
            yield f"{notebook.name}, cell {number}", source
        for number, output in notebook.outputs():
            html = "".join(output.get("data", {}).get("text/html", ""))
            yield f"{notebook.name}, cell {number}", html
    for path in [*(root / "chapters").rglob("*.md"), *root.glob("_*.yml")]:
        yield path.relative_to(root).as_posix(), _read(path)


def _library(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((root / "genai_lib").rglob("*.*")):
        if path.suffix in TEXT and path != root / LOADER and _is_source(path, root):
            yield path.relative_to(root).as_posix(), _read(path)


def no_file_tells_of_a_machine(root: Path) -> list[str]:
    """No file names a folder of the machine it was written on."""
    places = [re.escape(str(place)) for place in (root.resolve(), Path.home())]
    here = re.compile(rf"(?<![\w./-])(?:{'|'.join(places)})(?![\w.-])")
    problems = []
    for path in _files(root):
        text = _read(path)
        if found := HOME.search(text) or here.search(text):
            said = f"names the folder {found[0]!r} of a machine; remove it"
            problems.append(f"{path.relative_to(root).as_posix()}: {said}")
    return problems


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        inside = Path(folder)
        hidden = {name for name in folders if name[0] == "."} - SHOWN
        folders[:] = sorted(set(folders) - NOT_SOURCES - hidden)
        for name in sorted(names):
            if Path(name).suffix in TEXT:
                yield inside / name


def _is_source(path: Path, root: Path) -> bool:
    return not NOT_SOURCES & set(path.relative_to(root).parts)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


SOURCE_RULES = (
    pages_load_nothing_foreign,
    no_network_is_named,
    loader_pins_versions,
    no_file_tells_of_a_machine,
)
