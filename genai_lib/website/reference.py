"""Write the public names of the library as the nodes of a Sphinx page.

Tests    tests/website/test_library.py
"""

import re
from collections.abc import Callable, Iterable, Iterator

from docutils import nodes
from sphinx import addnodes

from genai_lib.website.docstring import Block, Docstring, Entry, blocks, parse
from genai_lib.website.library import Module, Name

SHARED = "Shared by all parts"
WEBSITE = "Behind the website"
WEBSITE_AREAS = ("live", "pages")
CODE = re.compile(r"`([^`]+)`")
NUMBER = re.compile(r"\[(\d+)(?:, [^\]]*)?\]")

Source = Callable[[Name], nodes.Node]
ChapterLink = Callable[[Module], nodes.Node | None]


def areas(modules: Iterable[Module], parts: Iterable[str]) -> dict[str, list[Module]]:
    """Sort modules into the parts of the book, what they share, and the website.

    Parameters
    ----------
    modules : iterable of Module
    parts : iterable of str
        Folder names in the order of reading.

    Returns
    -------
    dict of str to list of Module
        Titles in order; none is empty.
    """
    titles = {part: part.replace("_", " ").capitalize() for part in parts}
    titles |= dict.fromkeys(WEBSITE_AREAS, WEBSITE)
    found = {title: [] for title in dict.fromkeys([*titles.values(), SHARED, WEBSITE])}
    for module in modules:
        area = f"{module.name}.".split(".")[1]
        found[titles.get(area, SHARED)].append(module)
    # The website comes last, though its areas are known before the shared ones.
    found[WEBSITE] = found.pop(WEBSITE)
    return {title: group for title, group in found.items() if group}


def module_section(
    module: Module, source: Source, chapter: ChapterLink
) -> nodes.section:
    """Write a module: what it is for, where it is taught, and its names."""
    section = nodes.section(ids=[f"module-{module.name}"], names=[module.name])
    section += nodes.title("", "", nodes.literal("", module.name))
    section += paragraph(module.summary)
    section += [written(block) for block in blocks(module.text)]
    for name in module.names:
        section += name_entry(name, module, source, chapter)
    return section


def name_entry(
    name: Name, module: Module, source: Source, chapter: ChapterLink
) -> addnodes.desc:
    """Write one name: its signature, its docstring, its chapter and its source."""
    entry = addnodes.desc(domain="py", objtype=name.kind, classes=["py", name.kind])
    identifier = f"{module.name}.{name.name}"
    entry += signature(name, identifier)
    content = addnodes.desc_content()
    docstring = parse(name.docstring)
    content += list(described(docstring))
    content += list(_references(name, module))
    for method in name.methods:
        content += name_entry(method, module, source, chapter)
    if name.kind in ("function", "class"):
        content += _place(name, module, source, chapter)
    entry += content
    return entry


def signature(name: Name, identifier: str) -> addnodes.desc_signature:
    """Write a signature; its anchor is the full name."""
    found = addnodes.desc_signature(ids=[identifier], fullname=name.name)
    short = name.name.rpartition(".")[2]
    if name.kind in ("class", "property"):
        words = (addnodes.desc_sig_keyword("", name.kind), nodes.Text(" "))
        found += addnodes.desc_annotation("", "", *words)
    found += addnodes.desc_name(short, short)
    if name.kind != "property":
        parameters = map(_parameter, name.parameters)
        found += addnodes.desc_parameterlist("", "", *parameters)
    if name.returns:
        found += addnodes.desc_returns("", name.returns)
    return found


def _parameter(text: str) -> addnodes.desc_parameter:
    name, rest = re.match(r"([*/]*\w*)(.*)", text, re.DOTALL).groups()
    inside = addnodes.desc_sig_name("", name)
    return addnodes.desc_parameter("", "", inside, nodes.Text(rest), noemph=True)


def described(docstring: Docstring) -> Iterator[nodes.Node]:
    """Write a docstring: its words first, then a field for each section."""
    yield paragraph(docstring.summary)
    yield from map(written, docstring.blocks)
    fields = nodes.field_list()
    for title, section in docstring.sections.items():
        body = nodes.field_body()
        if section and isinstance(section[0], Entry):
            body += _entries(section)
        else:
            body += [written(block) for block in section]
        fields += nodes.field("", nodes.field_name(title, title), body)
    if len(fields):
        yield fields


def _entries(entries: Iterable[Entry]) -> nodes.definition_list:
    found = nodes.definition_list()
    for entry in entries:
        term = nodes.term()
        if entry.name:
            term += nodes.strong(entry.name, entry.name)
        if entry.name and entry.kind:
            term += nodes.Text(" : ")
        term += inline(entry.kind)
        inside = nodes.definition("", *map(written, entry.blocks))
        found += nodes.definition_list_item("", term, inside)
    return found


def written(block: Block) -> nodes.Node:
    """Write one piece of text."""
    if block.kind == "list":
        items = [nodes.list_item("", paragraph(line)) for line in block.lines]
        return nodes.bullet_list("", *items)
    if block.kind == "words":
        return paragraph(block.lines[0])
    text = "\n".join(block.lines)
    language = "pycon" if block.kind == "session" else "text"
    return nodes.literal_block(text, text, language=language)


def paragraph(text: str) -> nodes.paragraph:
    """Write a paragraph whose backticks mark code."""
    return nodes.paragraph("", "", *inline(text))


def inline(text: str) -> list[nodes.Node]:
    """Write words whose backticks mark code."""
    pieces = CODE.split(text)
    return [
        nodes.literal(piece, piece) if place % 2 else nodes.Text(piece)
        for place, piece in enumerate(pieces)
        if piece
    ]


def _references(name: Name, module: Module) -> Iterator[nodes.Node]:
    """Write in full what the numbers in a docstring refer to in its own file."""
    known = module.references.get(name.path, {})
    for number in sorted(set(NUMBER.findall(name.docstring)) & known.keys(), key=int):
        yield nodes.paragraph(
            "", f"[{number}] {known[number]}", classes=["genai-reference"]
        )


def _place(
    name: Name, module: Module, source: Source, chapter: ChapterLink
) -> nodes.paragraph:
    found = nodes.paragraph("", "", classes=["genai-place"])
    link = chapter(module)
    if link is not None:
        found += [nodes.Text("Chapter: "), link, nodes.Text(" · ")]
    found += [nodes.Text("Source: "), source(name)]
    return found
