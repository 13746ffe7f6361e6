"""Read models as Hugging Face stores them: config.json beside safetensors files.

A model asks for every field and every tensor that it knows. What is missing, has
another shape or is left over is an error that names it, so a model is either read as
it was meant or not at all. Pickle files are never opened.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError, safe_open
from torch import Tensor

CONFIG, SINGLE = "config.json", "model.safetensors"
INDEX, TOKENIZER = "model.safetensors.index.json", "tokenizer.json"
WANTED = [CONFIG, SINGLE, INDEX, "model-*.safetensors", TOKENIZER]
HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
# Fields that any model may carry and that change no number it computes: notes of the
# tool that wrote the file, sizes of dropout, ways to call it, settings of generation.
NOTES = frozenset(
    """_name_or_path _commit_hash architectures attn_implementation dtype torch_dtype
    finetuning_task gradient_checkpointing id2label label2id initializer_range
    model_type num_labels output_attentions output_hidden_states output_past prefix
    problem_type return_dict task_specific_params tokenizer_class torchscript
    transformers_version use_bfloat16 use_cache bos_token_id eos_token_id pad_token_id
    sep_token_id decoder_start_token_id _num_labels""".split()
)


def find_folder(name: str | Path) -> Path:
    """Return a folder as it is; fetch the files of a hub name such as "gpt2".

    Raises
    ------
    ValueError
        If there is no such folder and no such model can be fetched.
    """
    if Path(name).is_dir():
        return Path(name)
    if isinstance(name, Path) or not HUB_NAME.fullmatch(name):
        raise ValueError(f"name={str(name)!r}: there is no such folder")
    try:
        files = snapshot_download(name, allow_patterns=WANTED, ignore_patterns="*/*")
    except Exception as error:  # whatever the network or the hub has to say
        raise ValueError(
            f"name={name!r}: there is no such folder, and no model of this name could "
            "be fetched from the hub"
        ) from error
    return Path(files)


class Fields:
    """The fields of a config.json; each must be asked for once.

    Parameters
    ----------
    folder : Path
    model_type : str
        What the field of this name must say.
    """

    def __init__(self, folder: Path, model_type: str) -> None:
        self.place = folder / CONFIG
        self.values = _read_json(self.place)
        self.left = set(self.values) - NOTES
        found = self.values.get("model_type")
        if found != model_type:
            self._refuse("model_type", f"only {model_type!r} can be read here")

    def number(self, name: str, **default: None) -> int | None:
        """Return a whole number above 0, or None where `default=None` is given."""
        value = self._take(name, *default.values())
        if value is None and default:
            return None
        if type(value) is not int or value < 1:
            self._refuse(name, "a whole number above 0 is needed")
        return value

    def fraction(self, name: str, default: float) -> float:
        """Return a number above 0."""
        value = self._take(name, default)
        if type(value) not in (int, float) or not value > 0:
            self._refuse(name, "a number above 0 is needed")
        return value

    def choice(self, name: str, options: Collection, default: object) -> object:
        """Return a value that must be one of those that the model offers."""
        value = self._take(name, default)
        if not any(type(value) is type(o) and value == o for o in options):
            offered = ", ".join(map(repr, options))
            self._refuse(name, f"this is not supported, only {offered}")
        return value

    def ignore(self, *names: str) -> None:
        """Name fields that change nothing."""
        self.left -= set(names)

    def finish(self) -> None:
        """Raise ValueError if a field was not asked for, unless it says nothing."""
        for name in sorted(self.left):
            if self.values[name] not in (None, False, {}, []):
                self._refuse(name, "this option is not known")

    def _take(self, name: str, *default: object) -> object:
        self.left.discard(name)
        if name not in self.values and not default:
            raise ValueError(f"{self.place} has no field {name!r}")
        return self.values.get(name, *default)

    def _refuse(self, name: str, why: str) -> None:
        raise ValueError(f"{self.place}: {name}={self.values.get(name)!r}: {why}")


class Tensors:
    """The tensors of one safetensors file or of several with an index.

    Parameters
    ----------
    folder : Path
    prefix : str, default=""
        Is cut off the names that begin with it.
    """

    def __init__(self, folder: Path, prefix: str = "") -> None:
        self.folder = folder
        found = _read_tensors(folder)
        self.left = {name.removeprefix(prefix): x for name, x in found.items()}
        if len(self.left) < len(found):
            raise ValueError(f"{folder} has tensors with and without {prefix!r}")

    def take(self, name: str, *shape: int) -> Tensor:
        """Return a tensor of this shape, as 32-bit floats.

        Raises
        ------
        ValueError
            If it is missing, has another shape or holds no floats.
        """
        if name not in self.left:
            raise ValueError(f"{self.folder} has no tensor {name!r} of shape {shape}")
        found = self.left.pop(name)
        if tuple(found.shape) != shape or not found.is_floating_point():
            raise ValueError(
                f"{self.folder}: tensor {name!r} has shape {tuple(found.shape)} and "
                f"{found.dtype}, floats of shape {shape} are needed"
            )
        return found.to(torch.float32)

    def ignore(self, pattern: str) -> None:
        """Drop the tensors whose whole name fits a regular expression."""
        self.left = {k: x for k, x in self.left.items() if not re.fullmatch(pattern, k)}

    def finish(self) -> None:
        """Raise ValueError if a tensor was not asked for."""
        if self.left:
            raise ValueError(
                f"{self.folder} has {len(self.left)} tensors that the model of its "
                f"config.json has not, such as {min(self.left)!r}"
            )


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """Read all tensors of one file; a ValueError tells when it is missing or broken."""
    if not Path(path).is_file():
        raise ValueError(f"path={str(path)!r}: there is no such file")
    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"path={str(path)!r} is no whole safetensors file") from error


def _read_tensors(folder: Path) -> dict[str, Tensor]:
    if (folder / SINGLE).is_file():
        return read_safetensors(folder / SINGLE)
    if not (folder / INDEX).is_file():
        pickles = sorted(path.name for path in folder.glob("*.bin"))
        raise ValueError(
            f"{folder} has neither {SINGLE} nor {INDEX}; pickle files are not read, "
            f"as opening one runs what it says: {pickles}"
        )
    places = _read_json(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(map(_is_file_name, places.values())):
        raise ValueError(f"{folder / INDEX}: weight_map must name files of the folder")
    shards = {name: read_safetensors(folder / name) for name in set(places.values())}
    for name, place in places.items():
        if name not in shards[place]:
            raise ValueError(f"{folder / place} has no tensor {name!r}, unlike {INDEX}")
    return {name: shards[place][name] for name, place in places.items()}


def _is_file_name(value: object) -> bool:
    return isinstance(value, str) and Path(value).name == value


def _read_json(path: Path) -> dict:
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold one JSON object")
    return found
