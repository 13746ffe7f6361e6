"""Write the public names of the library as the nodes of Sphinx pages.

Tests    tests/pages/test_reference.py

Griffe reads the files of the library without importing them.
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

WEBSITE = ("live", "pages")
# Lines of a module's docstring that are for those who work on the book.
ADDRESSES = re.compile(r"^(Chapter|Tests)\s+\S+\s*$\n?", re.MULTILINE)
CHAPTER = re.compile(r"^Chapter\s+(\S+?)(?:\.ipynb|\.md)?\s*$", re.MULTILINE)
REFERENCES = re.compile(r"^References\n((?:[ ]+.*\n?)+)", re.MULTILINE)
REFERENCE = re.compile(r"^\s*\[(\d+)\]\s+", re.MULTILINE)
NUMBER = re.compile(r"\[(\d+)(?:, [^\]]*)?\]")
SESSION = re.compile(r"\n\n(?=>>> )")
# Of Markdown what docstrings use, and no more: `*`, `_`, `[1]` and `<` are text.
MARKDOWN = MarkdownIt("zero").enable(["code", "list", "backticks"])
NODES = {
    "paragraph": nodes.paragraph,
    "bullet_list": nodes.bullet_list,
    "ordered_list": nodes.enumerated_list,
    "list_item": nodes.list_item,
}

Named = griffe.Object | griffe.Alias
Library = dict[griffe.Module, list[Named]]


@cache
def read_library(root: Path, package: str = "genai_lib") -> Library:
    """Find every public name of a package once, where a reader would import it.

    A package shows what its `__all__` lists; what it does not list stays in the
    module that defines it.

    Parameters
    ----------
    root : Path
        The folder that holds the package.
    package : str, default="genai_lib"

    Returns
    -------
    dict of griffe Module to list of griffe Object
        Modules and names are sorted; modules without public names are left out.
    """
    top = griffe.load(package, search_paths=[root], allow_inspection=False)
    found, shown = {}, set()
    for module in sorted(_modules(top), key=lambda module: module.path):
        names = [one for one in _listed(module) if one.canonical_path not in shown]
        shown |= {one.canonical_path for one in names}
        names.sort(key=lambda one: (one.kind.value, one.name.lower()))
        found[module] = names
    return {module: names for module, names in found.items() if names}


def _modules(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    for one in module.members.values():
        if not one.is_alias and one.is_module and one.name[0] != "_":
            yield from _modules(one)


def _listed(module: griffe.Module) -> Iterator[Named]:
    """Yield what a module defines or, when its `__all__` says so, takes from below."""
    for name, one in module.members.items():
        listed = name in (module.exports or ())
        if one.is_alias:
            listed &= one.target_path.startswith(f"{module.path}.")
        else:
            listed |= name[0] != "_" and (one.is_function or one.is_class)
        if listed and one.is_module:
            # A module hides the function of its own name.
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


def area(module: griffe.Module, parts: set[str]) -> str:
    """Say on which page a module stands: that of its part, "website" or "shared"."""
    part = f"{module.path}.".split(".")[1]
    return part if part in parts else "website" if part in WEBSITE else "shared"


def text(named: Named) -> str:
    """Return the docstring of a name, which may be empty."""
    return named.docstring.value if named.docstring else ""


def chapter(module: griffe.Module) -> str:
    """Return the path of the chapter that a module names, or nothing."""
    found = CHAPTER.search(text(module))
    return found[1] if found else ""


def module_section(
    module: griffe.Module, names: list[Named], place: Callable[[Named], nodes.Node]
) -> nodes.section:
    """Write a module: what it is for and its names, each with its place."""
    section = nodes.section(ids=[f"module-{module.path}"], names=[module.path])
    section += nodes.title("", "", nodes.literal("", module.path))
    section += written(ADDRESSES.sub("", text(module)))
    section += [entry(name, place(name)) for name in names]
    return section


def entry(named: Named, *place: nodes.Node) -> addnodes.desc:
    """Write one name: its signature, its docstring, its methods and its place."""
    found = addnodes.desc(domain="py", objtype=kind(named), classes=["py", kind(named)])
    content = addnodes.desc_content()
    content += [*described(named), *_references(named)]
    content += [*map(entry, methods(named)), *place]
    found += [signature(named), content]
    return found


def signature(named: Named) -> addnodes.desc_signature:
    """Write a signature; its anchor is the name by which a reader imports it."""
    found = addnodes.desc_signature(ids=[named.path], fullname=named.name)
    if kind(named) in ("class", "property"):
        words = (addnodes.desc_sig_keyword("", kind(named)), nodes.Text(" "))
        found += addnodes.desc_annotation("", "", *words)
    found += addnodes.desc_name(named.name, named.name)
    if named.is_function or named.is_class:
        found += addnodes.desc_parameterlist("", "", *_parameters(named))
    if kind(named) == "data":
        found += addnodes.desc_annotation("", f" = {named.value}")
    elif not named.is_class and named.annotation is not None:
        found += addnodes.desc_returns("", str(named.annotation))
    return found


def parameters(named: Named) -> list[griffe.Parameter]:
    """Return what a function, a class or a method is called with."""
    if "NamedTuple" in map(str, getattr(named, "bases", ())):
        fields = (one for one in named.members.values() if one.is_attribute)
        return [
            griffe.Parameter(one.name, annotation=one.annotation, default=one.value)
            for one in fields
            if one.annotation is not None and kind(one) == "data"
        ]
    bound = named.is_class or kind(named) == "method"
    return list(named.parameters)[bound and "staticmethod" not in named.labels :]


def _parameters(named: Named) -> Iterator[addnodes.desc_parameter]:
    """Write each parameter as in its source, "/" and "*" between them included."""
    kinds = griffe.ParameterKind
    stars = {kinds.var_positional: "*", kinds.var_keyword: "**"}
    found = parameters(named)
    for kind, group in groupby(found, key=lambda one: one.kind):
        if kind is kinds.keyword_only and kinds.var_positional not in {
            one.kind for one in found
        }:
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


def described(named: Named) -> list[nodes.Node]:
    """Write a docstring: its words first, then a field for each section."""
    whole = text(named)
    if "\nExamples\n---" not in whole:
        # A session needs no title of its own.
        whole = SESSION.sub("\n\nExamples\n--------\n", whole, count=1)
    words, fields = [], nodes.field_list()
    parsed = griffe.Docstring(whole).parse("numpy", warnings=False)
    for section in parsed:
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
    """Write parameters, results or errors; names that share a line share it again."""
    found = nodes.definition_list()
    for (words, said), group in groupby(entries, key=_words):
        names = ", ".join(filter(None, (getattr(one, "name", "") for one in group)))
        term = nodes.term("", "", *([nodes.strong("", names)] if names else []))
        if names and words:
            term += nodes.Text(" : ")
        term += inline(words)
        inside = nodes.definition("", *written(said))
        found += nodes.definition_list_item("", term, inside)
    return found


def _words(element: griffe.DocstringElement) -> tuple[str, str]:
    words = "" if element.annotation is None else str(element.annotation)
    if (default := getattr(element, "value", None)) is not None:
        words += f", default={default}"
    return words, element.description


def written(words: str) -> list[nodes.Node]:
    """Write paragraphs, lists and indented code whose backticks mark code."""
    return [_node(one) for one in SyntaxTreeNode(MARKDOWN.parse(words)).children]


def inline(words: str) -> list[nodes.Node]:
    """Write one line whose backticks mark code."""
    (line,) = SyntaxTreeNode(MARKDOWN.parseInline(words)).children
    return [_node(one) for one in line.children]


def _node(tree: SyntaxTreeNode) -> nodes.Node:
    if tree.type == "text":
        return nodes.Text(tree.content)
    if tree.type == "code_inline":
        return nodes.literal(tree.content, tree.content)
    if tree.type == "code_block":
        lines = tree.content.rstrip()
        return nodes.literal_block(lines, lines, language="text")
    inside = tree.children[0].children if tree.type == "paragraph" else tree.children
    return NODES[tree.type]("", *map(_node, inside))


def _references(named: Named) -> Iterator[nodes.Node]:
    """Write in full what the numbers in a docstring refer to in its own file."""
    file = named.final_target.module if named.is_alias else named.module
    found = REFERENCES.search(f"{text(file)}\n")
    pieces = REFERENCE.split(found[1])[1:] if found else []
    known = dict(zip(pieces[::2], pieces[1::2], strict=True))
    for number in sorted({*NUMBER.findall(text(named))} & {*known}, key=int):
        words = f"[{number}] {' '.join(known[number].split())}"
        yield nodes.paragraph("", words, classes=["genai-reference"])
