"""The data of the ledger: claims, measurements, and quoted figures.

Tests    tests/website/test_ledger.py

Claims come from the metadata of stored outputs, their spread from the evidence file
beside each notebook, quoted figures from one list. Imports no torch.
"""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

from genai_lib.claims import LIMITS, holds

CITED = "chapters/reading/cited.json"
TITLE = re.compile(r"^# +(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Chapter:
    """A notebook of the book and its evidence.

    Attributes
    ----------
    path : str
        Relative to the book, without the suffix.
    title : str
    records : tuple of dict
        The stored record of each claim, in order.
    evidence : dict
        What `make evidence` stored, by scale; empty when nothing was measured.
    """

    path: str
    title: str
    records: tuple[dict, ...]
    evidence: dict


@dataclass(frozen=True)
class Spread:
    """The values of one claim over several seeds.

    Attributes
    ----------
    values : tuple of float
    kept : int
        For how many of them the claim holds.
    """

    values: tuple[float, ...]
    kept: int

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return math.fsum(self.values) / len(self.values)


def read_chapters(root: Path) -> list[Chapter]:
    """Read every notebook of a book.

    Parameters
    ----------
    root : Path
        The folder that holds `chapters`.

    Returns
    -------
    list of Chapter
        Sorted by path.
    """
    paths = sorted((root / "chapters").rglob("*.ipynb"))
    return [
        read_chapter(path, root)
        for path in paths
        if ".ipynb_checkpoints" not in path.parts
    ]


def read_chapter(path: Path, root: Path) -> Chapter:
    """Read one notebook and the evidence file beside it."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    words = [
        "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"
    ]
    title = TITLE.search("\n\n".join(words))
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    records = [output.get("metadata", {}).get("genai_claim") for output in outputs]
    return Chapter(
        path=path.relative_to(root).with_suffix("").as_posix(),
        title=title[1] if title else path.stem,
        records=tuple(filter(None, records)),
        evidence=read_json(path.with_suffix(".evidence.json"), {}),
    )


def spread(chapter: Chapter, record: dict, scale: str = "cpu") -> Spread | None:
    """Compare what the seeds measured with the bounds of a claim.

    Returns
    -------
    Spread or None
        None when the claim was not measured at this scale.

    Raises
    ------
    ValueError
        If the stored claim does not tell its bounds as numbers.
    """
    values = chapter.evidence.get(scale, {}).get("claims", {}).get(record["name"])
    if not values:
        return None
    if not set(LIMITS) <= record.keys():
        raise ValueError(
            f"{chapter.path}: claim {record['name']!r} was stored without its bounds; "
            f"run `make notebooks TOPIC={Path(chapter.path).name} ALL=1`"
        )
    limits = {name: record[name] for name in LIMITS}
    kept = sum(holds(value, **limits) for value in values)
    return Spread(tuple(values), kept)


def read_cited(root: Path) -> list[dict]:
    """Read the figures that the book quotes and does not test.

    Returns
    -------
    list of dict
        Each with "chapter", "statement", "source" (a key of references.bib) and
        "note", which may be empty.

    Raises
    ------
    ValueError
        If an entry has other fields.
    """
    entries = read_json(root / CITED, [])
    for entry in entries:
        if entry.keys() != {"chapter", "statement", "source", "note"}:
            raise ValueError(
                f"{CITED}: the fields of {entry} must be chapter, "
                "statement, source and note"
            )
    return entries


def read_json(path: Path, default: object) -> object:
    """Read a JSON file, or return the default when there is none."""
    if not path.is_file():
        return default
    return json.loads(path.read_text(encoding="utf-8"))
