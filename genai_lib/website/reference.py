"""Write the public names of the library, read by griffe, as the nodes of Sphinx pages.

Tests    tests/website/test_reference.py
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path

import griffe
from docutils import nodes
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from sphinx import addnodes

# Lines of a module's docstring that are meant for authors of the book.
ADDRESSES = re.compile(r"^(Chapter|Tests)\s+\S+\s*$\n?", re.MULTILINE)
REFERENCES = re.compile(r"^References\n((?:[ ]+.*\n?)+)", re.MULTILINE)
REFERENCE = re.compile(r"^\s*\[(\d+)\]\s+", re.MULTILINE)
NUMBER = re.compile(r"\[(\d+)(?:, [^\]]*)?\]")
SESSION = re.compile(r"\n\n(?=>>> )")
# Only the Markdown that docstrings use: `*`, `_`, `[1]` and `<` stay plain text.
MARKDOWN = MarkdownIt("zero").enable(["code", "list", "backticks"])

Named = griffe.Object | griffe.Alias


@cache
def read_library(
    root: Path, package: str = "genai_lib"
) -> dict[griffe.Module, list[Named]]:
    """Find every public name of a package once, where a reader would import it.

    `root` is the folder that holds the package. A package shows what its `__all__`
    lists; what it does not list stays in the module that defines it.

    Returns
    -------
    dict of griffe Module to list of griffe Object
        Modules and names are sorted; modules without public names are left out.
    """
    top = griffe.load(package, search_paths=[root], allow_inspection=False)
    found, shown = {}, set()
    for module in sorted(_modules(top), key=lambda module: module.path):
        names = {one.canonical_path: one for one in _listed(module)}
        new = [one for path, one in names.items() if path not in shown]
        if new:
            found[module] = sorted(new, key=lambda one: (kind(one), one.name.lower()))
        shown |= names.keys()
    return found


def _modules(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    for one in module.members.values():
        if not one.is_alias and one.is_module and one.name[0] != "_":
            yield from _modules(one)


def _listed(module: griffe.Module) -> Iterator[Named]:
    """Yield the names that a module defines, or that its `__all__` lists from below."""
    for name, one in module.members.items():
        listed = name in (module.exports or ())
        if one.is_alias:
            listed &= one.target_path.startswith(f"{module.path}.")
        else:
            listed |= name[0] != "_" and (one.is_function or one.is_class)
        if listed and one.is_module:
            # A module hides a function of the same name.
            one = griffe.Alias(name, one.members[name], parent=module)
        if listed:
            yield one


def methods(named: Named) -> list[Named]:
    """Return the documented methods and properties that a class itself defines."""
    return [
        one
        for one in (named.members.values() if named.is_class else ())
        if one.name[0] != "_" and one.docstring and kind(one) != "data"
    ]


def kind(named: Named) -> str:
    """Return "class", "function", "method", "property" or "data"."""
    if named.is_attribute:
        return "property" if "property" in named.labels else "data"
    inside = named.is_function and named.parent.is_class
    return "method" if inside else named.kind.value


def text(named: Named) -> str:
    """Return the docstring of a name, which may be empty."""
    return named.docstring.value if named.docstring else ""


def module_section(
    module: griffe.Module, names: list[Named], place: Callable[[Named], nodes.Node]
) -> nodes.section:
    """Write a module: what it is for and its names, each with its place."""
    section = nodes.section(ids=[f"module-{module.path}"], names=[module.path])
    section += nodes.title("", "", nodes.literal("", module.path))
    section += described(ADDRESSES.sub("", text(module)))
    section += [entry(name, place(name)) for name in names]
    return section


def entry(named: Named, *place: nodes.Node) -> addnodes.desc:
    """Write one name: its signature, its docstring, its methods and its place."""
    found = addnodes.desc(domain="py", objtype=kind(named), classes=["py", kind(named)])
    inside = (*described(text(named)), *_references(named), *map(entry, methods(named)))
    found += [signature(named), addnodes.desc_content("", *inside, *place)]
    return found


def signature(named: Named) -> addnodes.desc_signature:
    """Write a signature; its anchor is the name by which a reader imports it."""
    found = addnodes.desc_signature(ids=[named.path], fullname=named.name)
    if kind(named) in ("class", "property"):
        keyword = addnodes.desc_sig_keyword("", f"{kind(named)} ")
        found += addnodes.desc_annotation("", "", keyword)
    found += addnodes.desc_name(named.name, named.name)
    if named.is_function or named.is_class:
        found += addnodes.desc_parameterlist("", "", *_parameters(named))
    if kind(named) == "data":
        found += addnodes.desc_annotation("", f" = {named.value}")
    elif not named.is_class and named.annotation is not None:
        found += addnodes.desc_returns("", str(named.annotation))
    return found


def parameters(named: Named) -> list[griffe.Parameter]:
    """Return the parameters of a function, a class or a method."""
    if "NamedTuple" in map(str, getattr(named, "bases", ())):
        return [
            griffe.Parameter(one.name, annotation=one.annotation, default=one.value)
            for one in named.members.values()
            if kind(one) == "data" and one.annotation is not None
        ]
    bound = named.is_class or kind(named) == "method"
    return list(named.parameters)[bound and "staticmethod" not in named.labels :]


def _parameters(named: Named) -> Iterator[addnodes.desc_parameter]:
    """Write each parameter as in its source, "/" and "*" between them included."""
    kinds = griffe.ParameterKind
    stars = {kinds.var_positional: "*", kinds.var_keyword: "**"}
    found = parameters(named)
    starred = "*" in {stars.get(one.kind) for one in found}
    for kind, group in groupby(found, key=lambda one: one.kind):
        if kind is kinds.keyword_only and not starred:
            yield _parameter("*")
        for one in group:
            rest = "" if one.annotation is None else f": {one.annotation}"
            if one.default is not None and kind not in stars:
                rest += f" = {one.default}" if rest else f"={one.default}"
            yield _parameter(stars.get(kind, "") + one.name, rest)
        if kind is kinds.positional_only:
            yield _parameter("/")


def _parameter(name: str, rest: str = "") -> addnodes.desc_parameter:
    inside = (addnodes.desc_sig_name("", name), nodes.Text(rest))
    return addnodes.desc_parameter("", "", *inside, noemph=True)


def described(docstring: str) -> list[nodes.Node]:
    """Write a docstring: its words first, then a field for each section."""
    if "\nExamples\n---" not in docstring:
        # A session needs no title of its own.
        docstring = SESSION.sub("\n\nExamples\n--------\n", docstring, count=1)
    words, fields = [], nodes.field_list()
    for section in griffe.Docstring(docstring).parse("numpy", warnings=False):
        if section.kind is griffe.DocstringSectionKind.text:
            words += written(section.value)
            continue
        title = section.title or section.kind.value.capitalize()
        body = nodes.field_body("", *_section(section))
        fields += nodes.field("", nodes.field_name(title, title), body)
    return [*words, fields] if len(fields) else words


def _section(section: griffe.DocstringSection) -> list[nodes.Node]:
    if section.kind is griffe.DocstringSectionKind.admonition:
        return written(section.value.contents)
    if section.kind is not griffe.DocstringSectionKind.examples:
        return [_entries(section.value)]
    found = []
    for piece, lines in section.value:
        if piece is griffe.DocstringSectionKind.examples:
            found.append(nodes.literal_block(lines, lines, language="pycon"))
        else:
            found += written(lines)
    return found


def _entries(entries: list[griffe.DocstringElement]) -> nodes.definition_list:
    """Write parameters, results or errors; names with the same text form one entry."""
    found = nodes.definition_list()
    for (words, said, _), group in groupby(entries, key=_said):
        names = ", ".join(filter(None, (getattr(one, "name", "") for one in group)))
        term = nodes.term("", "", *([nodes.strong("", names)] if names else []))
        term += nodes.Text(" : " if names and words else "")
        term += [node for line in written(words) for node in line.children]
        inside = nodes.definition("", *written(said))
        found += nodes.definition_list_item("", term, inside)
    return found


def _said(element: griffe.DocstringElement) -> tuple[str, str, int]:
    words = "" if element.annotation is None else str(element.annotation)
    if (default := getattr(element, "value", None)) is not None:
        words += f", default={default}"
    unnamed = 0 if getattr(element, "name", "") else id(element)
    return words, element.description, unnamed


def written(words: str) -> list[nodes.Node]:
    """Write paragraphs, lists and indented code whose backticks mark code."""
    return [_node(one) for one in SyntaxTreeNode(MARKDOWN.parse(words)).children]


def _node(tree: SyntaxTreeNode) -> nodes.Node:
    if tree.type == "text":
        return nodes.Text(tree.content)
    if tree.type == "code_inline":
        return nodes.literal(tree.content, tree.content)
    if tree.type == "code_block":
        lines = tree.content.rstrip()
        return nodes.literal_block(lines, lines, language="text")
    inside = tree.children[0].children if tree.type == "paragraph" else tree.children
    # Docutils names its nodes likewise, but for this one.
    name = tree.type.replace("ordered_list", "enumerated_list")
    found = getattr(nodes, name)()
    found += map(_node, inside)
    return found


def _references(named: Named) -> Iterator[nodes.Node]:
    """Write out the references whose numbers a docstring cites."""
    file = (named.final_target if named.is_alias else named).module
    found = REFERENCES.search(f"{text(file)}\n")
    pieces = REFERENCE.split(found[1])[1:] if found else []
    known = dict(zip(pieces[::2], pieces[1::2], strict=True))
    for number in sorted({*NUMBER.findall(text(named))} & {*known}, key=int):
        words = f"[{number}] {' '.join(known[number].split())}"
        yield nodes.paragraph("", words, classes=["genai-reference"])
