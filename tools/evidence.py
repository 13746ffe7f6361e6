"""Run notebooks once per seed and store what their claims and numbers were.

Run as `python -m tools.evidence [--topic NAME] [--seeds 0-4] [--scale cpu]` in the
environment of the book; `make evidence` does. The result is
`chapters/<part>/<topic>.evidence.json`.
"""

import argparse
import json
import os
import platform
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from nbformat import NotebookNode

from tools import approximate, tidiness
from tools.common import ROOT, Stop
from tools.notebooks import Run, execute, find
from tools.processor import this_processor

SCALES = ("cpu", "gpu")
PACKAGES = ("torch", "numpy", "scikit-learn")
# Digits kept: of claims, and of what readers see.
DIGITS, SHOWN = 6, 3


def claims_of(notebook: NotebookNode) -> dict[str, float]:
    """Collect the value of every claim in the outputs of a notebook.

    Raises
    ------
    Stop
        If two claims have one name, or there is none.
    """
    found: dict[str, float] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            record = output.get("metadata", {}).get("genai_claim")
            if record is None:
                continue
            if record["name"] in found:
                raise Stop(f"two claims are named {record['name']!r}; rename one")
            found[record["name"]] = float(f"{record['value']:.{DIGITS}g}")
    if not found:
        raise Stop("no claim was made; a chapter needs at least one")
    return found


def numbers_of(notebook: NotebookNode) -> dict[str, list[float]]:
    """Collect the measured numbers that each cell of a tidied notebook prints."""
    found = {
        cell.id: [
            float(f"{value:.{SHOWN}g}")
            for text in measured_texts(cell.get("outputs", []))
            for value in approximate.values(text)
        ]
        for cell in notebook.cells
    }
    return {cell: numbers for cell, numbers in found.items() if numbers}


def measured_texts(outputs: Sequence[NotebookNode]) -> list[str]:
    """Return the texts in which a cell shows its measured numbers, each once.

    A display that says the same as plain text and as HTML counts as plain text.
    """
    texts: dict[str, list[str]] = {}
    for output in outputs:
        if output.output_type == "stream":
            texts.setdefault(output.name, []).append(output.text)
        shown = output.get("data", {})
        for kind in ("text/plain", "text/html"):
            if any(approximate.find(text := shown.get(kind, ""))):
                texts.setdefault("display", []).append(text + "\n")
                break
    return ["".join(texts[kind]) for kind in sorted(texts)]


def measure(path: Path, seeds: Sequence[int], scale: str) -> dict:
    """Execute a notebook once per seed, each time in a process of its own.

    A claim that fails is recorded. A cell that fails stops everything, and so does a
    claim that some seeds do not make, or a cell that prints more numbers for one.
    """
    runs: list[Run] = []
    claims: list[dict[str, float]] = []
    numbers: list[dict[str, list[float]]] = []
    for seed in seeds:
        os.environ.update(
            GENAI_SEED=str(seed), GENAI_SCALE=scale, GENAI_CLAIMS="record"
        )
        run = execute(path)
        runs.append(run)
        claims.append(claims_of(run.notebook))
        numbers.append(numbers_of(tidiness.tidy(run.notebook, path.stem)))
        took = f"{run.seconds:.0f} s, {run.busy:.0f} s of work"
        print(f"{path.stem}, seed {seed}: {took}", flush=True)
        if claims[-1].keys() != claims[0].keys():
            odd = sorted(claims[-1].keys() ^ claims[0].keys())
            raise Stop(f"{path.stem}: not every seed makes the claims {odd}")
        if odd := _other_form(numbers[0], numbers[-1]):
            raise Stop(f"{path.stem}: not every seed prints as many numbers in {odd}")
    # A processor is shared with other work, so its own time is what counts.
    seconds = [run.busy if scale == "cpu" else run.seconds for run in runs]
    return {
        "versions": versions(),
        "processor": this_processor(),
        "seeds": list(seeds),
        "seconds": [round(x, 1) for x in seconds],
        "peak_mb": [round(run.peak_mb) for run in runs],
        "claims": {name: [row[name] for row in claims] for name in claims[0]},
        "numbers": {cell: [row[cell] for row in numbers] for cell in numbers[0]},
    }


def _other_form(first: dict[str, list], row: dict[str, list]) -> list[str]:
    cells = sorted(first.keys() | row.keys())
    return [x for x in cells if len(first.get(x, [])) != len(row.get(x, []))]


def versions() -> dict[str, str]:
    """Say what the numbers were measured with."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    # What stands after a plus sign tells the build apart, not the version.
    return found | {name: metadata.version(name).split("+")[0] for name in PACKAGES}


def store(path: Path, scale: str, measured: dict) -> Path:
    """Replace one scale's part of a topic's evidence file, and leave the other."""
    target = path.with_suffix(".evidence.json")
    parts = json.loads(target.read_text("utf-8")) if target.is_file() else {}
    parts[scale] = measured
    text = json.dumps(parts, indent=1, sort_keys=True)
    # One line for each list keeps the file short and its changes readable.
    text = re.sub(r"\[[^\[\]{}]*\]", lambda m: re.sub(r"\s+", " ", m[0]), text)
    part = target.with_suffix(".part")
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, target)
    return target


def parse_seeds(text: str) -> list[int]:
    """Read "0-4" or "3,5,8".

    >>> parse_seeds("0-2,7")
    [0, 1, 2, 7]
    """
    seeds: list[int] = []
    for part in text.split(","):
        ends = part.split("-")
        if len(ends) > 2 or not all(end.strip().isdecimal() for end in ends):
            raise Stop(f"SEEDS={text!r} must look like 0-4 or 3,5,8")
        seeds += range(int(ends[0]), int(ends[-1]) + 1)
    if not seeds or len(set(seeds)) != len(seeds):
        raise Stop(f"SEEDS={text!r} must name each seed once")
    return seeds


def main(arguments: Sequence[str]) -> int:
    """Measure the chapters one after the other."""
    parser = argparse.ArgumentParser(prog="tools.evidence", description=__doc__)
    parser.add_argument("--topic")
    parser.add_argument("--seeds", default="0-4")
    parser.add_argument("--scale", choices=SCALES, default="cpu")
    options = parser.parse_args(arguments)
    try:
        seeds = parse_seeds(options.seeds)
        for path in find(options.topic):
            target = store(path, options.scale, measure(path, seeds, options.scale))
            print(f"wrote {target.relative_to(ROOT).as_posix()}")
    except Stop as reason:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
