"""The commands behind the Makefile: what they refuse, and what they write."""

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys

import nbformat
import pytest

from tools import checks, environment, housekeeping, inputs, notebooks, tidiness
from tools import text as notebook_text
from tools.book import version_problem
from tools.common import ROOT, Stop, variables
from tools.website import open_server

TOC = (
    "format: jb-book\nroot: chapters/index\nchapters:\n- file: chapters/topic  # one\n"
)


def write_notebook(path, *sources, executed=True, **cell):
    cells = [nbformat.v4.new_code_cell(source, **cell) for source in sources]
    if executed:
        for number, cell in enumerate(cells, start=1):
            cell.execution_count = number
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Topic"), *cells]
    )
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def book(tmp_path):
    """Make a sound book of one notebook and one page."""
    (tmp_path / "_toc.yml").write_text(TOC)
    write_notebook(tmp_path / "chapters/topic.ipynb", "1 + 1")
    (tmp_path / "chapters/index.md").write_text("# Book\n")
    return tmp_path


@pytest.fixture
def library(tmp_path):
    """Make a library in which `used` imports `deep`, and nobody `other`."""
    part = tmp_path / "genai_lib" / "part"
    part.mkdir(parents=True)
    (part.parent / "__init__.py").write_text("")
    (part / "__init__.py").write_text("")
    (part / "used.py").write_text("from ..deep import number\n")
    (part.parent / "deep.py").write_text("number = 3\n")
    (part.parent / "other.py").write_text("number = 4\n")
    return tmp_path


# What must hold before the book is built


def test_a_sound_book_has_no_problems(book):
    assert checks.problems(book) == []


def test_a_notebook_without_outputs_is_named_with_the_remedy(book):
    write_notebook(book / "chapters/topic.ipynb", "1 + 1", executed=False)

    (problem,) = checks.problems(book)

    assert problem.startswith("chapters/topic.ipynb: ") and "cell 2" in problem
    assert "make notebooks TOPIC=topic" in problem


def test_a_cell_that_is_not_meant_to_run_needs_no_outputs(book):
    skipped = {"metadata": {"tags": ["skip-execution"]}}
    path = book / "chapters/topic.ipynb"
    write_notebook(path, "def stub(): ...", executed=False, **skipped)

    assert checks.problems(book) == []


def test_a_notebook_missing_from_the_toc_is_named(book):
    write_notebook(book / "chapters/part/lost.ipynb", "2")

    (problem,) = checks.problems(book)

    assert problem.startswith("chapters/part/lost.ipynb: is missing from _toc.yml")


def test_a_toc_entry_without_a_file_is_named(book):
    (book / "chapters/topic.ipynb").unlink()

    (problem,) = checks.problems(book)

    assert problem.startswith("_toc.yml: lists chapters/topic,")


def test_a_missing_toc_and_a_broken_notebook_are_named(book):
    (book / "_toc.yml").unlink()
    (book / "chapters/topic.ipynb").write_text('{"cells": ')

    found = "\n".join(checks.problems(book))

    assert "_toc.yml: is missing" in found
    assert "chapters/topic.ipynb: is not a notebook" in found


def test_the_toc_is_read_as_yaml_reads_it():
    yaml = pytest.importorskip("yaml")
    text = (ROOT / "_toc.yml").read_text(encoding="utf-8")

    def entries(node):
        if isinstance(node, dict):
            for key, value in node.items():
                yield from [value] if key in ("root", "file") else entries(value)
        elif isinstance(node, list):
            for value in node:
                yield from entries(value)

    assert checks.toc_entries(ROOT) == list(entries(yaml.safe_load(text)))


# The environment


@pytest.fixture
def fake_environment(tmp_path, monkeypatch):
    """Replace the slow steps of a set-up and count the installations."""
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).write_text("pins\n")
    levels = []
    monkeypatch.delenv("BOOK_PYTHON", raising=False)
    monkeypatch.setattr(environment, "version_of", lambda folder: "3.11")
    monkeypatch.setattr(environment, "make", lambda folder: folder.mkdir(exist_ok=True))
    monkeypatch.setattr(
        environment, "install", lambda folder, level, root: levels.append(level)
    )
    return tmp_path, levels


def test_a_fresh_environment_is_left_alone(fake_environment):
    root, levels = fake_environment

    for _ in range(2):
        environment.ready("book", root)

    assert levels == ["book"]


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_a_changed_pin_makes_the_environment_stale(fake_environment, name):
    root, levels = fake_environment
    environment.ready("book", root)

    (root / name).write_text("other pins\n")
    environment.ready("book", root)

    assert levels == ["book", "book"]


def test_another_python_makes_the_environment_stale(fake_environment, monkeypatch):
    root, levels = fake_environment
    environment.ready("book", root)

    monkeypatch.setattr(environment, "version_of", lambda folder: "3.12")
    environment.ready("book", root)

    assert levels == ["book", "book"]


def test_everything_serves_the_book_but_not_the_reverse(fake_environment):
    root, levels = fake_environment

    for level in ("book", "all", "book", "all"):
        environment.ready(level, root)

    assert levels == ["book", "all"]


def test_an_interrupted_set_up_is_repeated(fake_environment, monkeypatch):
    root, levels = fake_environment
    environment.ready("book", root)

    def interrupted(folder, level, root):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(environment, "install", interrupted)
        environment.ready("all", root)
    environment.ready("book", root)

    assert levels == ["book", "book"]


def test_a_folder_that_only_looks_like_an_environment_does_not_work(tmp_path):
    assert environment.version_of(tmp_path) == ""

    python = environment.python_of(tmp_path)
    python.parent.mkdir()
    python.symlink_to(tmp_path / "removed")

    assert environment.version_of(tmp_path) == ""


def test_a_python_of_ones_own_is_used_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("BOOK_PYTHON", "my-python")

    assert environment.ready("all", tmp_path) == "my-python"


def test_the_book_needs_no_torch():
    names = environment.section(ROOT, "book")

    assert "jupyter-book" in names and "torch" not in names
    assert {"torch", "hnswlib"} <= {*environment.section(ROOT, "library")}
    assert "hnswlib" not in names


@pytest.mark.parametrize(
    "log, advice",
    [
        ("The virtual environment: ensurepip is not available", "python3-venv"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("NewConnectionError: Temporary failure in name resolution", "network"),
        ("ERROR: No matching distribution found for torch==9", "another Python"),
        ("ERROR: Failed building wheel for hnswlib", "C++ compiler"),
        ("something nobody foresaw", "last lines"),
    ],
)
def test_a_failed_set_up_is_explained(log, advice):
    explained = environment.explain(f"Collecting torch\n{log}\n")

    assert advice in explained and log in explained


def test_every_need_is_pinned():
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([\w.-]+)==[^=\s]+", pins.lower(), re.M))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").lower()
    needs = set(re.findall(r'^    "([a-z][\w-]+)[><]=', project, re.M))

    assert needs and needs <= pinned


def test_the_readme_names_the_pinned_torch():
    pin = re.search(r"^torch==(\S+)", (ROOT / "requirements.txt").read_text(), re.M)

    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert re.findall(r"torch==([\w.]+)", readme) == [pin[1]]


def test_an_old_python_can_read_its_advice():
    source = (ROOT / "tools/book.py").read_text(encoding="utf-8")

    ast.parse(source, feature_version=(3, 6))

    before_check = source.split("if __name__")[0]
    assert "from tools" not in before_check and "import tools" not in before_check


def test_an_old_python_is_refused_and_a_new_one_is_not():
    assert "Python 3.11 or newer, this is 3.10" in version_problem((3, 10, 13))
    assert version_problem((3, 11, 0)) is None
    assert version_problem((4, 0)) is None


# Commands


def run_book(*arguments):
    command = [sys.executable, ROOT / "tools/book.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_taken_port_is_named_with_another():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(Stop, match=f"port {port} is taken; .* PORT="):
            open_server(port)


def test_without_a_port_the_next_free_one_is_taken():
    with open_server() as first, open_server() as second:
        assert 8000 <= first.server_port < second.server_port <= 8010


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_an_impossible_port_is_refused(port):
    done = run_book("serve", f"--port={port}")

    assert done.returncode == 2 and f"port={port!r}" in done.stderr


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_passes_its_variables_on(tmp_path):
    # What a make that runs the tests was told reaches the makes below it.
    own = {k: v for k, v in os.environ.items() if k != "ALL" and "MAKE" not in k}
    own.pop("MFLAGS", None)

    def recipe(*arguments):
        command = ["make", "--no-print-directory", "-n", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=own, capture_output=True, text=True
        )
        return done.stdout.split("book.py ")[1].split()

    assert recipe("book", "SERVE=0") == ["book", "--no-serve"]
    assert recipe("book", "PORT=81") == ["book", "--port", '"81"']
    assert recipe("test", "TOPIC=a") == ["test", "--topic", '"a"']
    assert recipe("notebooks", "ALL=1", "TOPIC=a")[1:] == ["--topic", '"a"', "--all"]
    assert recipe("clean", "ALL=0") == ["clean"]


def test_runs_do_not_see_the_settings_of_the_reader(monkeypatch):
    monkeypatch.setenv("GENAI_SEED", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")

    seen = variables()

    assert "GENAI_SEED" not in seen and seen["OMP_NUM_THREADS"] == "1"


def test_clean_removes_what_was_built_and_nothing_else(book):
    for name in ("_build/html", "chapters/.ipynb_checkpoints", ".venv/bin"):
        (book / name).mkdir(parents=True)

    housekeeping.clean(book)

    left = {path.name for path in book.iterdir()}
    assert left == {"_toc.yml", "chapters", ".venv"}
    assert {path.name for path in (book / "chapters").iterdir()} == {
        "index.md",
        "topic.ipynb",
    }
    housekeeping.clean(book, everything=True)
    assert not (book / ".venv").exists()


# What the outputs of a notebook follow from


def fingerprint(root, source="from genai_lib.part import used", output="1"):
    cell = nbformat.v4.new_code_cell(source)
    cell.outputs = [nbformat.v4.new_output("stream", text=output)]
    prose = nbformat.v4.new_markdown_cell(output)
    return inputs.fingerprint(nbformat.v4.new_notebook(cells=[prose, cell]), root)


def test_the_hash_ignores_outputs_and_prose(library):
    assert fingerprint(library, output="1") == fingerprint(library, output="2")


def test_the_hash_follows_the_code_of_the_notebook(library):
    assert fingerprint(library) != fingerprint(library, "import genai_lib.part.used")


@pytest.mark.parametrize("name", ["part/used.py", "deep.py", "part/__init__.py"])
def test_the_hash_follows_what_is_imported(library, name):
    before = fingerprint(library)

    with open(library / "genai_lib" / name, "a") as file:
        file.write("more = 1\n")

    assert fingerprint(library) != before


@pytest.mark.parametrize("place", ["table.json", "stored/table.json"])
def test_the_hash_follows_stored_files_that_are_named(library, place):
    part = library / "genai_lib/part"
    (part / "stored").mkdir()
    (part / "used.py").write_text('NAMES = ["table.json", "stored"]\n')
    (part / place).write_text("[]")
    (part / "unnamed.json").write_text("[]")
    before = fingerprint(library)

    (part / "unnamed.json").write_text("[1]")
    assert fingerprint(library) == before
    (part / place).write_text("[1]")
    assert fingerprint(library) != before


SOURCE = '''"""Module."""
# A comment.
class A:
    """Class."""

    def f(self, x):
        """Function."""
        return x + 1  # why


def empty():
    """Nothing else."""
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Module."""', '"""Other words."""'),
        ('"""Module."""\n', ""),
        ("# A comment.\n", ""),
        ("  # why", ""),
        ('        """Function."""\n', ""),
        ("x + 1", "(x +\n                1)"),
    ],
)
def test_words_around_the_code_do_not_count(old, new):
    assert inputs.code_of(SOURCE) == inputs.code_of(SOURCE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [("x + 1", "x + 2"), ("def f", "def g"), ("return x", '"""No."""; return x')],
)
def test_code_counts(old, new):
    assert inputs.code_of(SOURCE) != inputs.code_of(SOURCE.replace(old, new))


WORDS = '"""Say {0}."""\n\n\ndef f():\n    """Say {0}."""  # {0}\n    return 1\n'


def test_the_hash_ignores_docstrings_and_comments_that_are_not_shown(library):
    used = library / "genai_lib/part/used.py"
    show = "from genai_lib.part.used import f\nshow_source(f)"
    used.write_text(WORDS.format("one"))
    before, shown = fingerprint(library), fingerprint(library, show)

    used.write_text(WORDS.format("two"))

    assert fingerprint(library) == before
    assert fingerprint(library, show) != shown


def test_the_hash_follows_the_pins_of_the_library_alone(library):
    pins = library / "requirements.txt"
    pins.write_text("# [library]\ntorch==1\n# [tests]\npytest==1\n")
    before = fingerprint(library)

    pins.write_text("# [library]\ntorch==1\n# [tests]\npytest==2\n")
    assert fingerprint(library) == before
    pins.write_text("# [library]\ntorch==2\n# [tests]\npytest==2\n")
    assert fingerprint(library) != before


def test_the_hash_ignores_what_is_not_imported(library):
    before = fingerprint(library)

    (library / "genai_lib/other.py").write_text("number = 5\n")

    assert fingerprint(library) == before


@pytest.mark.parametrize(
    "source",
    [
        "import genai_lib.part.used",
        "import genai_lib.part.used as used",
        "from genai_lib.part.used import number",
        "%matplotlib inline\nfrom genai_lib.part import used",
        "def inside():\n    from genai_lib.part.used import number",
    ],
)
def test_every_form_of_import_is_followed(library, source):
    files = [path.name for path in inputs.library_modules([source], library)]

    assert files == ["__init__.py", "deep.py", "__init__.py", "used.py"]


# Execution


def test_a_failing_cell_is_named_and_nothing_is_written(tmp_path):
    path = write_notebook(tmp_path / "chapters/topic.ipynb", "1", "[][3]", "2")
    before = path.read_bytes()

    with pytest.raises(Stop, match=r"topic.ipynb, cell 3: IndexError: list index"):
        notebooks.refresh(path, tmp_path)

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_cell_that_writes_to_stderr_is_named(tmp_path):
    source = "import warnings\nwarnings.warn('old')"
    path = write_notebook(tmp_path / "chapters/topic.ipynb", "1", source)

    with pytest.raises(Stop, match="cell 3 writes to stderr"):
        notebooks.refresh(path, tmp_path)


def test_an_output_with_a_path_of_this_machine_is_refused(tmp_path):
    path = write_notebook(tmp_path / "chapters/topic.ipynb", "import os; os.getcwd()")
    before = path.read_bytes()

    with pytest.raises(Stop, match="cell 2 shows .*a path of this machine"):
        notebooks.refresh(path, tmp_path)

    assert path.read_bytes() == before


def test_a_second_run_gives_the_same_bytes_and_an_unchanged_one_does_not_run(tmp_path):
    drawing = "import sys\nfor x in 'ab':\n    print(x); sys.stdout.flush()\n3"
    path = write_notebook(tmp_path / "chapters/topic.ipynb", drawing, "x")

    first = notebooks.refresh(path, tmp_path)
    stored = path.read_bytes()

    assert "of work), " in first and " MB" in first
    assert "unchanged" in notebooks.refresh(path, tmp_path)
    assert path.read_bytes() == stored
    notebooks.refresh(path, tmp_path, always=True)
    assert path.read_bytes() == stored
    cells = json.loads(stored)["cells"]
    assert [cell["id"] for cell in cells] == ["topic-01", "topic-02", "topic-03"]
    assert [x.get("text") for x in cells[1]["outputs"]] == [["a\n", "b\n"], None]
    assert checks.is_run(cells[1]) and cells[2]["execution_count"] == 2


def test_an_unknown_topic_is_refused_with_the_known_ones(book):
    with pytest.raises(Stop, match="topic='tipoc' has no notebook; there are: topic"):
        notebooks.find("tipoc", book)


# The stored form


def test_the_stored_form_keeps_what_matters_and_drops_the_rest():
    twin = {tidiness.WIDGET: {"model_id": "f00"}, "text/html": "<p>twin</p>"}
    alt = {"image/png": {"alt": "a line"}}
    cell = nbformat.v4.new_code_cell("1", metadata={"tags": ["a"], "execution": {}})
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="one "),
        nbformat.v4.new_output("stream", name="stdout", text="two"),
        nbformat.v4.new_output("display_data", twin, metadata=alt),
        nbformat.v4.new_output("stream", name="stdout", text="three"),
    ]
    notebook = nbformat.v4.new_notebook(
        cells=[cell],
        metadata={
            "widgets": {},
            "language_info": {"name": "python", "version": "3.11.7"},
            "genai": {"inputs": "0"},
        },
    )

    tidiness.tidy(notebook, "topic")

    assert [x.get("text") for x in cell.outputs] == ["one two", None, "three"]
    assert cell.outputs[1].data == {"text/html": "<p>twin</p>"}
    assert cell.outputs[1].metadata == alt
    assert cell.metadata == {"tags": ["a"]} and cell.id == "topic-01"
    assert set(notebook.metadata) == {"genai", "kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}


def test_a_path_inside_an_image_is_chance(tmp_path):
    cell = nbformat.v4.new_code_cell("1")
    html = f'<img src="data:image/png;base64,AA{tmp_path}/BB==">'
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": html})]
    notebook = nbformat.v4.new_notebook(cells=[cell])

    assert tidiness.traces_of_machine(notebook, tmp_path) == ""

    cell.outputs[0].data["text/html"] += f"<p>{tmp_path}/x</p>"
    assert "cell 1" in tidiness.traces_of_machine(notebook, tmp_path)


def test_text_and_back_keeps_the_notebook(tmp_path):
    path = write_notebook(tmp_path / "topic.ipynb", "1 + 1", "%time 2")
    tidiness.write(path, tidiness.tidy(nbformat.read(path, 4), "topic"))
    before = path.read_bytes()

    script = notebook_text.to_text(path)
    notebook_text.from_text(path)

    assert path.read_bytes() == before
    script.write_text(script.read_text().replace("1 + 1", "1 + 2"))
    notebook_text.from_text(path)
    changed, kept = nbformat.read(path, 4).cells[1:]
    assert changed.source == "1 + 2" and changed.execution_count is None
    assert kept.execution_count == 2
