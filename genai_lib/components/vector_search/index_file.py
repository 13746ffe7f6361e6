"""The file of a vector index: hnswlib's own bytes, described and checked.

Chapter  chapters/components/vector_search.ipynb
Tests    tests/components/vector_search

A safetensors file holds the bytes as one tensor, beside the id of each vector and the
row of the first that equals it. Its header says what they are, and keeps a checksum.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from genai_lib.files import write_safetensors

METRICS = ("cosine", "euclidean")
FORMAT = "genai-lib vector index 3"
BEFORE = "genai-lib vector index 2"  # called the embedding model `made_by`
PARTS = {"graph": np.uint8, "ids": np.int64, "first": np.int64}
HEAD = 6  # numbers at the start of hnswlib's file that are compared


def write(path: Path, about: dict, parts: dict[str, np.ndarray]) -> None:
    """Write a description and the parts of an index, at once or not at all."""
    about = {"format": FORMAT} | about
    # One entry, because safetensors shuffles several: equal indices, equal files.
    header = {"about": json.dumps(about | {"sha256": digest(about, parts)})}
    tensors = {name: torch.from_numpy(part) for name, part in parts.items()}
    write_safetensors(path, tensors, header)


def digest(about: dict, parts: dict[str, np.ndarray]) -> str:
    """Sum up the description and the parts, each with its name."""
    words = json.dumps(about, sort_keys=True).encode()
    whole = hashlib.sha256(words)
    for name in PARTS:
        whole.update(f"\n{name}\n".encode() + parts[name].tobytes())
    return whole.hexdigest()


def read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Read and check a file before hnswlib, which trusts its input, sees it.

    Raises
    ------
    ValueError
        If the file is missing, truncated, changed or of another kind.
    """
    shown = f"path={str(path)!r}"
    if not path.is_file():
        raise ValueError(f"{shown}: there is no such file")
    try:
        with safe_open(str(path), framework="np") as file:
            header = file.metadata() or {}
            parts = {name: file.get_tensor(name) for name in PARTS}
        about = json.loads(header["about"])
        whole = about.pop("sha256") == digest(about, parts)
        if about["format"] == BEFORE:
            about |= {"format": FORMAT, "embedding_model": about.pop("made_by")}
        good = whole and about["format"] == FORMAT and _fits(about, parts)
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{shown} is not a whole file of a vector index") from error
    if not good:
        raise ValueError(f"{shown} is damaged, or written by another version")
    return about, parts


def _fits(about: dict, parts: dict[str, np.ndarray]) -> bool:
    """Compare the parts with the description and with what hnswlib's file begins."""
    graph, ids, first = (parts[name] for name in PARTS)
    if any(parts[name].dtype != dtype for name, dtype in PARTS.items()):
        return False
    head = graph[: 8 * HEAD].view(np.uint64).tolist()
    if len(head) < HEAD or about["metric"] not in METRICS:
        return False
    _, _, nodes, _, behind_vector, start_of_vector = head
    width = (behind_vector - start_of_vector) // 4
    shapes = ids.shape == first.shape == (about["count"],)
    fits = shapes and about["width"] == width and len(np.unique(first)) == nodes
    return bool(
        fits and _is_sound(ids, first) and isinstance(about["embedding_model"], str)
    )


def _is_sound(ids: np.ndarray, first: np.ndarray) -> bool:
    """Ids differ and are not negative; each row's first row is its own first row."""
    differ = len(np.unique(ids)) == len(ids) and ids.min(initial=0) >= 0
    inside = first.min(initial=0) >= 0 and (first <= np.arange(len(first))).all()
    return bool(differ and inside and (first[first] == first).all())
