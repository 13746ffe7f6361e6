"""Rules for the pictures and live figures of one notebook.

Every rule takes a `Notebook` and returns one line per breach, which names the file
and the remedy.
"""

import json
import re

from bs4 import BeautifulSoup

from tests.book.notebook_rules import PAYLOAD, Notebook

LARGEST_PICTURE = 64 * 1024
PICTURE_WITHOUT_ALT = re.compile(r"!\[\s*\]\(")


def pictures_have_alt_texts(notebook: Notebook) -> list[str]:
    """Every picture says in words what is to be seen."""
    problems = []
    remedy = f"describe what is to be seen, {notebook.remake}"
    for number, output in notebook.outputs():
        data, metadata = output.get("data", {}), output.get("metadata", {})
        for kind in {"image/png", "image/jpeg", "image/svg+xml"} & data.keys():
            alt = metadata.get(kind, {}).get("alt", "")
            if "text/html" not in data and not alt.strip():
                problems.append(notebook.at(number, f"picture without alt; {remedy}"))
    for number, _, page in notebook.pages():
        for image in page.find_all("img"):
            if not image.get("alt", "").strip():
                problems.append(notebook.at(number, f"picture without alt; {remedy}"))
    for number, _, source in notebook.cells("markdown"):
        images = BeautifulSoup(source, "html.parser").find_all("img")
        bare = any(not image.get("alt", "").strip() for image in images)
        if bare or PICTURE_WITHOUT_ALT.search(source):
            problems.append(notebook.at(number, "picture without alt; describe it"))
    return problems


def live_figures_show_one_picture(notebook: Notebook) -> list[str]:
    """A live figure holds one picture, a caption and data that can be read."""
    problems = []
    for number, _, page in notebook.pages():
        for figure in page.select("figure.genai-live"):
            name = figure.get("data-name", "")
            pictures = len(figure.find_all("img"))
            if pictures != 1:
                said = f"live figure {name!r} shows {pictures} pictures instead of one"
                problems.append(notebook.at(number, f"{said}; {notebook.remake}"))
            caption = figure.find("figcaption")
            if caption is None or not caption.get_text(strip=True):
                said = f"live figure {name!r} has no caption; say what to move"
                problems.append(notebook.at(number, said))
            script = figure.find("script", type="application/json")
            if script is None or not _is_json(script.string or ""):
                said = f"live figure {name!r} has no data; {notebook.remake}"
                problems.append(notebook.at(number, said))
    return problems


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def pictures_are_small(notebook: Notebook) -> list[str]:
    """No picture is larger than 64 KiB, or the page gets slow."""
    problems = []
    for number, output in notebook.outputs():
        data = output.get("data", {})
        codes = ["".join(data.get(kind, "")) for kind in ("image/png", "image/jpeg")]
        codes += PAYLOAD.findall("".join(data.get("text/html", "")))
        largest = max((len(code) for code in codes), default=0) * 3 // 4
        if largest > LARGEST_PICTURE:
            said = f"picture of {largest // 1024} KiB; make it at most 64 KiB"
            problems.append(notebook.at(number, said))
    return problems


PICTURE_RULES = (
    pictures_have_alt_texts,
    live_figures_show_one_picture,
    pictures_are_small,
)
