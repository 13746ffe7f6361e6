"""A small book that keeps every rule, for the tests of the rules."""

import json
from pathlib import Path

TOPIC = "colour"
PICTURE = "data:image/png;base64,iVBORw0KGgo="
LIVE = f"""<figure class="genai-live" data-name="wheel">
<img src="{PICTURE}" alt="three bars"/><figcaption>Move the hue.</figcaption>
<script type="application/json">{{"panels": []}}</script></figure>"""
EXERCISE = """### Exercise {number} ({kind}, about 5 minutes)

Do it.

```python
def mix(first, second):
    ...
```

<details><summary>Solution</summary>

```python
from genai_lib.components.colour.exercises import check_mix

def mix(first, second):
    return first + second

check_mix(mix)
```

</details>"""
TITLE = "# Colour\n\nWhat is a colour?"
IDEA = """## The idea

$$c = r + g$$

| symbol | meaning |
|---|---|
| r | red |

[Newton 1704](https://arxiv.org/abs/1704.00001)"""
CLAIM = {
    "name": "red-and-green",
    "text": "red and green make yellow",
    "value": 0.97,
    "holds": True,
    "verdict": "reproduced in miniature",
    "source": "newton1704",
}
FILES = {
    "_toc.yml": "root: chapters/index\nchapters:\n- file: chapters/components/colour\n",
    "_config.yml": "title: Colours\n",
    "chapters/index.md": "# A book of colours\n",
    "references.bib": "@article{newton1704,\n  eprint = {1704.00001},\n}\n",
    "genai_lib/__init__.py": '"""Colours."""\n',
    "genai_lib/components/__init__.py": '"""Components."""\n',
    "genai_lib/components/colour/__init__.py": '"""Colour."""\n',
    "genai_lib/components/colour/mixing.py": "def mix():\n    return 1\n",
    "genai_lib/live/loader.js": 'load(["vega@6.2.0"], "https://cdn.example/npm/");\n',
    "tests/components/colour/test_mixing.py": '"""Tests."""\n',
}


def words(text):
    """Return a Markdown cell."""
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def code(source, *outputs, tags=()):
    """Return a code cell."""
    return {
        "cell_type": "code",
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source,
        "outputs": list(outputs),
        "execution_count": None,
    }


def shown(data, **metadata):
    """Return an output."""
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def cells():
    """Return the cells of the chapter, in order."""
    alt = {"image/png": {"alt": "a colour wheel"}}
    claim = shown({"text/plain": "✓ yellow: ≈ 0.97"}, genai_claim=dict(CLAIM))
    return [
        words(TITLE),
        code("from genai_lib.components.colour import mix"),
        words("## Try it first\n\nMove the hue."),
        code("wheel()", shown({"text/html": LIVE, "text/plain": "LiveFigure"})),
        words(IDEA),
        code("mix()", shown({"image/png": "iVBORw0KGgo="}, **alt)),
        words("## The code\n\n```bash\n# not a heading\n```"),
        words("## A small model"),
        words("## The claim"),
        code("claim()", claim),
        words("## Limits and common mistakes"),
        words("## Exercises"),
        words(EXERCISE.format(number=1, kind="predict")),
        words(EXERCISE.format(number=2, kind="derive")),
        words(EXERCISE.format(number=3, kind="build")),
        words("## Summary\n\n### Further reading\n\nNewton."),
    ]


def write_notebook(root: Path, content: list[dict]) -> Path:
    """Number cells and counts as a fresh run does, and write the chapter."""
    count = 0
    for number, cell in enumerate(content, 1):
        cell["id"] = f"{TOPIC}-{number:02d}"
        if cell["cell_type"] == "code":
            count += 1
            cell["execution_count"] = count
    path = root / f"chapters/components/{TOPIC}.ipynb"
    notebook = {"cells": content, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")
    return path


def write_book(root: Path) -> Path:
    """Write the book into ``root`` and return the path of its chapter."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "chapters/components").mkdir(parents=True, exist_ok=True)
    return write_notebook(root, cells())
