"""Load and save models in the layout of Hugging Face: config.json and safetensors.

A model reads every field and every tensor that it knows. One that is missing, has
another shape or is left over is an error that names it, so a file that is not fully
understood is never loaded. Pickle files are never opened.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from huggingface_hub import snapshot_download
from torch import nn

from genai_lib.config_fields import CONFIG, Fields
from genai_lib.files import (
    INDEX,
    SINGLE,
    read_safetensors,
    write_json,
    write_safetensors,
)
from genai_lib.tensor_names import NOTHING, Names, Tensors

__all__ = [
    "TASK_HEADS",
    "TOKENIZER",
    "Format",
    "Pretrained",
    "find_folder",
    "leave_out_heads",
    "read_safetensors",
]
TOKENIZER = "tokenizer.json"
WANTED = [CONFIG, SINGLE, INDEX, "model-*.safetensors", TOKENIZER]
HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
# Heads of tasks, on top of a body that can be read without them.
TASK_HEADS = (
    r"(classifier|score|qa_outputs|classification_head|multiple_choice_head)\..*"
)


def find_folder(name: str | Path) -> Path:
    """Return a local folder, or fetch the files of a hub name such as "gpt2".

    Raises
    ------
    ValueError
        If there is no such folder and no such model can be fetched.
    """
    if not isinstance(name, str | Path) or name == "":
        raise ValueError(f"name={name!r}: a folder or a name on the hub is needed")
    if Path(name).is_dir():
        return Path(name)
    if isinstance(name, Path) or not HUB_NAME.fullmatch(name):
        raise ValueError(f"name={str(name)!r}: there is no such folder")
    try:
        files = snapshot_download(name, allow_patterns=WANTED, ignore_patterns="*/*")
    except Exception as error:  # any error of the network or the hub
        raise ValueError(
            f"name={name!r}: there is no such folder, and no model of this name could "
            "be fetched from the hub"
        ) from error
    return Path(files)


def leave_out_heads(
    fields: Fields, tensors: Tensors, own: set[str], also: str = NOTHING
) -> None:
    """Drop the tensors of a task's head, unless config.json says that there is none.

    Parameters
    ----------
    fields : Fields
    tensors : Tensors
    own : set of str
        The classes of transformers that have no such head.
    also : str, default: none
        Pattern of further names of such heads.
    """
    if not own & fields.architectures:
        tensors.ignore(f"{TASK_HEADS}|{also}")


@dataclass(frozen=True)
class Format:
    """The file format of one family of models.

    Attributes
    ----------
    model_type : str
        What config.json calls the family.
    prefix : str
        A prefix that names of tensors may have.
    config : type
        The class of our configuration.
    read : function of (Fields, Tensors)
        Returns the attributes of the configuration.
    write : function of a configuration
        Returns the fields of config.json.
    names : function of a configuration
        Returns its `Names`.
    """

    model_type: str
    prefix: str
    config: type
    read: Callable[[Fields, Tensors], dict[str, Any]]
    write: Callable[[Any], dict[str, Any]]
    names: Callable[[Any], Names]


class Pretrained(nn.Module):
    """Base class of models that are read and written in the layout of Hugging Face.

    A subclass is built from its `config` alone and keeps it as an attribute.

    Attributes
    ----------
    format : Format
    """

    format: ClassVar[Format]

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """Load a model from a local folder, or by its name on the hub.

        Parameters
        ----------
        name : str or Path
            A folder with config.json and safetensors files is read without a network.

        Returns
        -------
        a model of this class
            With 32-bit floats, whatever the files hold, and in evaluation mode. Of a
            model that was tuned to a task it is the body: the head of the task, such
            as a classifier, is left out.

        Raises
        ------
        ValueError
            If config.json sets an option that this class does not support, or the
            files lack a tensor, have one too many, one of a wrong shape, or one with
            numbers that are not finite.
        """
        folder = find_folder(name)
        fields = Fields(folder, cls.format.model_type)
        tensors = Tensors(folder, cls.format.prefix)
        settings = cls.format.read(fields, tensors)
        fields.finish()
        with fields.explaining(), torch.device("meta"):
            config = cls.format.config(**settings)
            model = cls(config)
        weights = cls.format.names(config).read(tensors, model)
        model.load_state_dict(weights, assign=True)
        model.tie()
        return model.eval()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors as `from_pretrained` reads them.

        Other programs read them too. The folder is made where there is none.

        Raises
        ------
        ValueError
            If the model has a part that this file format cannot hold.
        """
        self.check_fits()
        fields = self.format.write(self.config)
        stored = self.format.names(self.config).stored(self)
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_safetensors(Path(folder) / SINGLE, stored, {"format": "pt"})
        write_json(Path(folder) / CONFIG, fields)

    def check_fits(self) -> None:
        """Raise ValueError if the model has parts that its file format cannot hold."""
        raise NotImplementedError

    def tie(self) -> None:
        """Tie the parameters that the configuration says are shared."""
        raise NotImplementedError
