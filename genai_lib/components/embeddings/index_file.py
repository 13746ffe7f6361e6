"""The file of a vector index: hnswlib's own bytes, described and checked.

Chapter  chapters/components/embeddings.ipynb
Tests    tests/components/embeddings

A safetensors file holds the bytes as one tensor. Its header says what they are, and
keeps a checksum over both.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from genai_lib.files import write_safetensors

SPACES = {"cosine": "cosine", "euclidean": "l2"}
FORMAT = "genai-lib vector index 1"
HEAD = 6  # numbers at the start of hnswlib's file that are compared


def write(path: Path, about: dict, graph: np.ndarray) -> None:
    """Write a description and hnswlib's bytes (uint8), at once or not at all."""
    about = {"format": FORMAT} | about
    # One entry, because safetensors shuffles several: equal indices, equal files.
    header = {"about": json.dumps(about | {"sha256": _digest(about, graph)})}
    write_safetensors(path, {"graph": torch.from_numpy(graph)}, header)


def _digest(about: dict, graph: np.ndarray) -> str:
    words = json.dumps(about, sort_keys=True).encode()
    return hashlib.sha256(words + b"\n" + graph.tobytes()).hexdigest()


def read(path: Path) -> tuple[dict, np.ndarray]:
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
            graph = file.get_tensor("graph")
        about = json.loads(header["about"])
        whole = about.pop("sha256") == _digest(about, graph)
        good = whole and about["format"] == FORMAT and _fits(about, graph)
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{shown} is no whole file of a vector index") from error
    if not good:
        raise ValueError(f"{shown} is damaged, or written by another version")
    return about, graph


def _fits(about: dict, graph: np.ndarray) -> bool:
    """Compare the description with the first numbers of hnswlib's own file."""
    head = graph[: 8 * HEAD].view(np.uint64).tolist()
    if len(head) < HEAD or about["metric"] not in SPACES:
        return False
    _, _, count, _, behind_vector, start_of_vector = head
    width = (behind_vector - start_of_vector) // 4
    fits = (about["count"], about["width"]) == (count, width)
    return fits and isinstance(about["made_by"], str)
