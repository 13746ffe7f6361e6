"""The rules of the house find what they forbid, and nothing else."""

import json

import pytest

from tests.book import sample
from tests.book.chapter_rules import CHAPTER_RULES
from tests.book.citation_rules import CITATION_RULES
from tests.book.library_rules import LIBRARY_RULES
from tests.book.notebook_rules import RULES, notebooks
from tests.book.picture_rules import PICTURE_RULES
from tests.book.source_rules import SOURCE_RULES
from tools import checks

BOOK_RULES = (checks.problems, *LIBRARY_RULES, *CITATION_RULES, *SOURCE_RULES)
CHAPTER = f"chapters/components/{sample.TOPIC}.ipynb"
TRY, FIGURE, IDEA, PICTURE, SETUP, CLAIM, EXERCISE, BUILD = 2, 3, 4, 5, 1, 9, 12, 14


@pytest.fixture
def book(tmp_path):
    """Write a book that keeps every rule."""
    sample.write_book(tmp_path)
    return tmp_path


def problems_of(root):
    """Return {name of the rule: its lines} for the rules that are broken."""
    found = {rule.__name__: rule(root) for rule in BOOK_RULES}
    for notebook in notebooks(root):
        for rule in (*RULES, *PICTURE_RULES, *CHAPTER_RULES):
            found.setdefault(rule.__name__, []).extend(rule(notebook))
    return {name: lines for name, lines in found.items() if lines}


def test_book_that_keeps_every_rule_has_no_problem(book):
    assert problems_of(book) == {}


def put(key, value, cell):
    """Return a change of one key of one cell."""
    return lambda cells: cells[cell].__setitem__(key, value)


def replace(cell, old, new):
    """Return a change of the source of one cell."""

    def change(cells):
        assert old in cells[cell]["source"]
        cells[cell]["source"] = cells[cell]["source"].replace(old, new)

    return change


def store(cell, *outputs):
    """Return a change of the outputs of one cell."""
    return put("outputs", list(outputs), cell)


def claim(**changes):
    """Return a second claim with some fields changed."""
    record = {**sample.CLAIM, "name": "second", **changes}
    return store(SETUP, sample.shown({"text/plain": "✓"}, genai_claim=record))


def live(old, new):
    """Return a change of the HTML of the live figure."""
    assert old in sample.LIVE
    html = sample.LIVE.replace(old, new)
    return store(FIGURE, sample.shown({"text/html": html}))


STDERR = {"output_type": "stream", "name": "stderr", "text": "warning"}
ERROR = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
HOME = "/" + "home/somebody"
WIDGET = {"application/vnd.jupyter.widget-view+json": {}}
LARGE = "A" * 90_000
CDN = "https://cdn." + "example.com/x.js"
# rule that must object · words of its message · change of the cells
CELL_CHANGES = [
    ("has_outputs", "no stored outputs", lambda c: [x.update(outputs=[]) for x in c]),
    ("has_no_errors", "stores an error", store(SETUP, ERROR)),
    ("has_no_errors", "stores stderr", store(SETUP, STDERR)),
    (
        "is_compared",
        "ignore-output",
        put("metadata", {"tags": ["nbval-ignore-output"]}, 1),
    ),
    ("is_compared", "NBVAL_SKIP", put("source", "# NBVAL_SKIP\nmix()", SETUP)),
    (
        "tells_nothing_of_the_machine",
        HOME,
        store(SETUP, sample.shown({"text/plain": HOME})),
    ),
    (
        "tells_nothing_of_the_machine",
        "a time",
        store(SETUP, sample.shown({"text/plain": "2026-01-02 03:04"})),
    ),
    (
        "tells_nothing_of_the_machine",
        "its run",
        put("metadata", {"execution": {}}, SETUP),
    ),
    ("has_no_widget_state", "stores widgets", store(SETUP, sample.shown(WIDGET))),
    (
        "pictures_have_alt_texts",
        "without alt",
        store(PICTURE, sample.shown({"image/png": "iVBO"})),
    ),
    ("pictures_have_alt_texts", "without alt", live('alt="three bars"', 'alt=""')),
    ("pictures_have_alt_texts", "without alt", live(' alt="three bars"', "")),
    (
        "pictures_have_alt_texts",
        "without alt",
        replace(TRY, "Move", "![](images/a.png) Move"),
    ),
    (
        "live_figures_show_one_picture",
        "2 pictures",
        live("<figcaption>", '<img alt="b" src=""/><figcaption>'),
    ),
    ("live_figures_show_one_picture", "no caption", live("Move the hue.", "")),
    ("live_figures_show_one_picture", "no data", live("panels", 'pa"nels')),
    ("pictures_are_small", "KiB", live("iVBORw0KGgo=", LARGE)),
    ("pictures_are_small", "KiB", store(PICTURE, sample.shown({"image/png": LARGE}))),
    ("code_is_short", "83 characters", put("source", "x" * 83, SETUP)),
    ("code_is_short", "31 lines", put("source", "x\n" * 31, SETUP)),
    ("markdown_reads_everywhere", "MyST", replace(TRY, "Move", "```{note}\n```\nMove")),
    ("markdown_reads_everywhere", "MyST", replace(TRY, "Move", "{ref}`here` Move")),
    (
        "words_stand_between_code",
        "put a sentence",
        lambda c: c.insert(2, sample.code("1")),
    ),
    ("has_nine_parts_in_order", "its headings", replace(TRY, "Try it first", "Play")),
    ("has_nine_parts_in_order", "its headings", lambda c: c.insert(0, c.pop(IDEA))),
    ("has_nine_parts_in_order", "one title", replace(0, "# Colour", "Colour")),
    (
        "has_nine_parts_in_order",
        "Further reading",
        replace(-1, "### Further reading", ""),
    ),
    ("asks_a_question_first", "question", replace(0, "?", ".")),
    ("moves_before_any_theory", "live figure", store(FIGURE)),
    ("explains_with_equation_and_table", "equation", replace(IDEA, "$$", "$")),
    ("explains_with_equation_and_table", "table", replace(IDEA, "\n|", "\n")),
    ("claims_hold", "makes no claim", store(CLAIM)),
    ("claims_hold", "name of another", claim(name="red-and-green")),
    ("claims_hold", "does not hold", claim(holds=False)),
    ("has_exercises", "2 exercises", lambda c: c.pop(EXERCISE)),
    ("has_exercises", "number 1", replace(EXERCISE, "Exercise 1", "Exercise 4")),
    ("has_exercises", "not of the form", replace(EXERCISE, " minutes", "")),
    ("has_exercises", "kind 'guess'", replace(EXERCISE, "predict", "guess")),
    ("has_exercises", "0 blocks", replace(EXERCISE, "<details>", "")),
    (
        "has_exercises",
        "0 Python blocks",
        replace(EXERCISE, "```python\nfrom", "```\nfrom"),
    ),
    (
        "has_exercises",
        "not Python",
        replace(EXERCISE, "return first", "return = first"),
    ),
    (
        "has_exercises",
        "nothing to fill in",
        replace(BUILD, "```python\ndef", "```\ndef"),
    ),
    ("has_exercises", "no checker", replace(BUILD, "check_mix(mix)", "mix(1, 2)")),
    ("every_citation_has_an_entry", "1704.00002", replace(IDEA, "00001", "00002")),
    (
        "every_citation_has_an_entry",
        "10.1000/x",
        replace(TRY, "Move", "[d](https://doi.org/10.1000/x) Move"),
    ),
    ("every_citation_has_an_entry", "'goethe1810'", claim(source="goethe1810")),
    (
        "pages_load_nothing_foreign",
        "<script",
        live("</figure>", f'<script src="{CDN}"></script></figure>'),
    ),
    (
        "pages_load_nothing_foreign",
        "<img",
        replace(TRY, "Move", '<img alt="a" src="//a.org/b.png"> Move'),
    ),
    (
        "pages_load_nothing_foreign",
        "![a](",
        replace(TRY, "Move", "![a](https://a.org/b.svg) Move"),
    ),
    ("no_network_is_named", CDN, put("source", f"load('{CDN}')", SETUP)),
]


@pytest.mark.parametrize(("rule", "message", "change"), CELL_CHANGES)
def test_flaw_in_a_notebook_is_found(book, rule, message, change):
    cells = sample.cells()
    change(cells)
    sample.write_notebook(book, cells)

    lines = problems_of(book)[rule]

    assert any(message in line for line in lines), lines
    assert all(CHAPTER in line for line in lines)


@pytest.mark.parametrize(
    ("rule", "message", "change"),
    [
        ("is_executed_in_order", "count 7, 1 is due", {"execution_count": 7}),
        ("is_executed_in_order", "count None, 1 is due", {"execution_count": None}),
        (
            "is_executed_in_order",
            "not to be run",
            {"metadata": {"tags": ["skip-execution"]}},
        ),
        ("has_fixed_cell_ids", "has id 'a1b2'", {"id": "a1b2"}),
    ],
)
def test_flaw_of_a_run_is_found(book, rule, message, change):
    path = book / CHAPTER
    notebook = json.loads(path.read_text())
    notebook["cells"][SETUP].update(change)
    path.write_text(json.dumps(notebook))

    (line,) = problems_of(book)[rule]

    assert message in line
    assert f"make notebooks TOPIC={sample.TOPIC}" in line


def test_two_cells_executed_in_the_other_order_are_found(book):
    path = book / CHAPTER
    notebook = json.loads(path.read_text())
    first, second = notebook["cells"][SETUP], notebook["cells"][FIGURE]
    first["execution_count"], second["execution_count"] = 2, 1
    path.write_text(json.dumps(notebook))

    assert (
        "cell 2: has execution count 2" in problems_of(book)["is_executed_in_order"][0]
    )


COLOUR = "genai_lib/components/colour/mixing.py"
LONG = "def mix():\n" + "    mix()\n" * 31
DOCUMENTED = 'def mix():\n    """Mix.\n' + "\n" * 30 + '    """\n' + "    mix()\n" * 30
BIB = "references.bib"
ENTRY = "@article{newton1704,\n  eprint = {1704.00001},\n}\n"


@pytest.mark.parametrize(
    ("rule", "message", "name", "text"),
    [
        ("problems", "missing from _toc.yml", "_toc.yml", "root: chapters/index\n"),
        (
            "problems",
            "lists chapters/x",
            "_toc.yml",
            sample.FILES["_toc.yml"] + "- file: chapters/x\n",
        ),
        (
            "one_address_in_three_places",
            "tests/components/hue/test_*.py: is missing",
            "genai_lib/components/hue/__init__.py",
            "",
        ),
        (
            "one_address_in_three_places",
            "hue.ipynb: is missing",
            "genai_lib/genres/hue/__init__.py",
            "",
        ),
        (
            "one_address_in_three_places",
            "genai_lib/components/hue/__init__.py: is missing",
            "tests/components/hue/test_hue.py",
            "",
        ),
        (
            "a_topic_has_no_file_elsewhere",
            "move it into the room of colour",
            "genai_lib/data/colour.py",
            "",
        ),
        (
            "a_topic_has_no_file_elsewhere",
            "move it into the room of colour",
            "tests/live/test_colour.py",
            "",
        ),
        (
            "reading_order_is_import_order",
            "which comes later",
            COLOUR,
            "import genai_lib.genres.x\n",
        ),
        (
            "reading_order_is_import_order",
            "which comes later",
            COLOUR,
            "from ...genres.x import y\n",
        ),
        (
            "reading_order_is_import_order",
            "which comes later",
            COLOUR,
            "from genai_lib.genres import x\n",
        ),
        (
            "reading_order_is_import_order",
            "nothing imports reading",
            COLOUR,
            "from genai_lib.reading.index import x\n",
        ),
        (
            "reading_order_is_import_order",
            "what is shared imports no topic",
            "genai_lib/data/hues.py",
            "from genai_lib.components.colour import mix\n",
        ),
        (
            "reading_order_is_import_order",
            "_x is private",
            COLOUR,
            "from genai_lib.data.hues import _x\n",
        ),
        (
            "reading_order_is_import_order",
            "_x is private",
            COLOUR,
            "def f():\n    import genai_lib.data._x\n",
        ),
        (
            "the_mathematics_imports_no_figure",
            "only figure*.py may",
            COLOUR,
            "from genai_lib.live.figure import x\n",
        ),
        (
            "the_mathematics_imports_no_figure",
            "only figure*.py may",
            COLOUR,
            "from genai_lib.components.colour.figure_wheel import x\n",
        ),
        (
            "stored_files_are_named_by_their_maker",
            "does not name it",
            "genai_lib/components/colour/stored/wheel.json",
            "",
        ),
        (
            "stored_files_are_named_by_their_maker",
            "wheel.json is not stored",
            "genai_lib/components/colour/stored/made.json",
            '{"wheel.json": {}}',
        ),
        ("modules_are_short", "301 lines", COLOUR, "X = 1\n" * 301),
        ("modules_are_short", "mix has 31 lines", COLOUR, LONG),
        ("library_raises_and_does_not_print", "line 1: assert", COLOUR, "assert 1\n"),
        ("library_raises_and_does_not_print", "line 1: print", COLOUR, "print(1)\n"),
        (
            "every_entry_is_cited",
            "goethe1810",
            BIB,
            ENTRY + ENTRY.replace("newton1704", "goethe1810").replace("1704.", "1810."),
        ),
        ("every_citation_has_an_entry", "cites 1704.00001", BIB, ""),
        (
            "every_citation_has_an_entry",
            "'goethe1810'",
            "chapters/page.md",
            "{cite:p}`newton1704,goethe1810`",
        ),
        (
            "every_citation_has_an_entry",
            "'goethe1810'",
            "chapters/reading/cited.json",
            '[{"source": "goethe1810"}]',
        ),
        (
            "keys_are_unique",
            "repeats",
            BIB,
            ENTRY + ENTRY.replace("newton1704", "newton"),
        ),
        (
            "pages_load_nothing_foreign",
            "<link",
            "chapters/page.md",
            '<link rel=icon href="https://a.org/i">',
        ),
        ("no_network_is_named", CDN, "genai_lib/website/host.js", f'load("{CDN}")'),
        ("no_network_is_named", CDN, "_config.yml", f"script: {CDN}"),
        (
            "loader_pins_versions",
            "'vega'",
            "genai_lib/live/loader.js",
            'load(["vega"])',
        ),
        (
            "loader_pins_versions",
            "'vega@6'",
            "genai_lib/live/loader.js",
            'load(["vega@6"])',
        ),
        ("no_file_tells_of_a_machine", HOME, "tools/build.py", f'ROOT = "{HOME}"'),
        ("no_file_tells_of_a_machine", "C:", ".ci/run", "cd C:" + "\\Users\\me"),
    ],
)
def test_flaw_in_a_file_is_found(book, rule, message, name, text):
    (book / name).parent.mkdir(parents=True, exist_ok=True)
    (book / name).write_text(text)

    lines = problems_of(book)[rule]

    assert any(message in line for line in lines), lines


def test_folder_of_the_book_itself_is_found(book):
    (book / "notes.md").write_text(f"cd {book}")

    assert "notes.md" in problems_of(book)["no_file_tells_of_a_machine"][0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (COLOUR, DOCUMENTED),
        (COLOUR, "from genai_lib.claims import claim\n"),
        (COLOUR, "from genai_lib.components.colour._mix import _blend\n"),
        ("genai_lib/components/colour/_mix.py", ""),
        ("genai_lib/runtime.py", "print(1)\n"),
        ("tests/components/colour/test_laws.py", ""),
        ("_build/html/index.html", f"{HOME} {CDN}"),
        ("chapters/page.md", "[a link](https://a.org/b) and {cite}`newton1704`"),
    ],
)
def test_what_is_allowed_is_not_reported(book, name, text):
    (book / name).parent.mkdir(parents=True, exist_ok=True)
    (book / name).write_text(text)

    assert problems_of(book) == {}


def test_claim_that_did_not_reproduce_may_fail(book):
    cells = sample.cells()
    claim(holds=False, verdict="did not reproduce at this scale")(cells)
    sample.write_notebook(book, cells)

    assert problems_of(book) == {}
