"""Read and write safetensors files (tensors) and JSON files (settings).

Writing is atomic: a reader sees either the old file or the new one, never a part. A new
file has the mode that the umask of its user gives. What was read stays valid when its
file changes.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """Read all tensors of one file; ValueError if it is missing or broken."""
    if not isinstance(path, str | Path) or not Path(path).is_file():
        raise ValueError(f"path={str(path)!r}: there is no such file")
    try:
        with safe_open(str(path), framework="pt") as file:
            # Copied, because safetensors may return a view of the file on disk.
            names = file.keys()
            return {name: file.get_tensor(name).clone() for name in names}
    except SafetensorError as error:
        raise ValueError(
            f"path={str(path)!r} is not a complete safetensors file"
        ) from error


def write_safetensors(
    path: str | Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors and their metadata as one safetensors file, atomically.

    Parameters
    ----------
    path : str or Path
        Its folder must exist.
    tensors : mapping from names to Tensors
        No two may share memory; see `without_copies`.
    metadata : mapping from str to str, default=None
    """
    stored = {name: tensor.contiguous() for name, tensor in tensors.items()}
    write_whole(path, save(stored, None if metadata is None else dict(metadata)))


def write_json(path: str | Path, value: object) -> None:
    """Write a value as indented JSON, atomically."""
    write_whole(path, (json.dumps(value, indent=2) + "\n").encode())


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file atomically: a reader sees the old content or the new one."""
    # In the same folder, because a move is atomic only within one file system.
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        whole = Path(folder, "whole")
        whole.write_bytes(content)
        os.replace(whole, path)


def without_copies(weights: Mapping[str, Tensor]) -> tuple[dict, dict]:
    """Keep one name of each tensor that has several names.

    Returns
    -------
    kept : dict from names to Tensors
        Of several names the first in alphabetical order is kept.
    dropped : dict from each other name to the one that is kept
    """
    kept, dropped, seen = {}, {}, {}
    for name, tensor in sorted(weights.items()):
        place = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride())
        first = seen.setdefault(place, name) if tensor.numel() else name
        if first == name:
            kept[name] = tensor
        else:
            dropped[name] = first
    return kept, dropped


def read_folder(folder: Path) -> dict[str, Tensor]:
    """Read the tensors of a folder: of one file, or of several files with an index."""
    if (folder / SINGLE).is_file():
        return read_safetensors(folder / SINGLE)
    if not (folder / INDEX).is_file():
        raise ValueError(
            f"{folder} has neither {SINGLE} nor {INDEX}; {_advice(folder)}"
        )
    places = read_json(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(map(_is_file_name, places.values())):
        raise ValueError(f"{folder / INDEX}: weight_map must name files of the folder")
    shards = {name: read_safetensors(folder / name) for name in set(places.values())}
    for name, place in places.items():
        if name not in shards[place]:
            raise ValueError(f"{folder / place} has no tensor {name!r}, unlike {INDEX}")
    return {name: shards[place][name] for name, place in places.items()}


def read_json(path: Path) -> dict:
    """Read one JSON object; ValueError if there is none."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold one JSON object")
    return found


def _advice(folder: Path) -> str:
    """Return advice on how to turn pickle files into one safetensors file."""
    found = sorted({path.name for kind in PICKLES for path in folder.glob(kind)})
    names = found or ["pytorch_model.bin"]
    return (
        "pickle files are not read, as opening one can run what it says. Where you "
        f"trust {', '.join(names)}, write its weights anew inside its folder: "
        "import torch; from safetensors.torch import save_file; "
        f"save_file({{k: x.clone() for file in {names} for k, x in "
        f"torch.load(file, weights_only=True).items()}}, {SINGLE!r})"
    )


def _is_file_name(value: object) -> bool:
    return isinstance(value, str) and Path(value).name == value
