"""Tables that map the parameters of a model to the tensors of a file.

Shapes come from the model itself, which is built without memory on the device "meta".
So a format is described by names alone, and by what is packed or stored transposed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genai_lib.config_fields import CONFIG
from genai_lib.files import read_folder

NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")
# Prefixes that torch.compile, parallel training and training loops add to all names.
WRAPPERS = ("_orig_mod.", "module.", "model.")
NOTHING = "(?!)"  # matches no name


class Tensors:
    """The tensors of a folder, each taken once, by their names in the file.

    Parameters
    ----------
    folder : Path
    prefix : str, default=""
        Removed from names that begin with it, as `WRAPPERS` are from all names.
    """

    def __init__(self, folder: Path, prefix: str = "") -> None:
        self.folder = folder
        found = read_folder(folder)
        while found and (wrapper := _wrapper(found)):
            found = {name.removeprefix(wrapper): x for name, x in found.items()}
        self.left = {name.removeprefix(prefix): x for name, x in found.items()}
        if len(self.left) < len(found):
            raise ValueError(f"{folder} has tensors with and without {prefix!r}")

    def take(self, names: tuple[str, ...], shape: tuple[int, ...]) -> Tensor:
        """Return a tensor of this shape, as 32-bit floats.

        Parameters
        ----------
        names : tuple of str
            One is enough. Where there are several, their tensors must be equal.
        shape : tuple of int

        Raises
        ------
        ValueError
            If it is missing, has another shape or dtype, is not finite, or if two of
            the names have different tensors.
        """
        found = {name: self._take(name, shape) for name in names if name in self.left}
        if not found:
            wanted = " or ".join(map(repr, names))
            raise ValueError(f"{self.folder} has no tensor {wanted} of shape {shape}")
        first, *others = found
        for other in others:
            if not found[other].equal(found[first]):
                raise ValueError(
                    f"{self.folder}: {other} differs from {first}, though they are one "
                    f"where {CONFIG} says that tie_word_embeddings is true"
                )
        return found[first]

    def any(self, beginning: str) -> bool:
        """Say whether any name begins like this."""
        return any(name.startswith(beginning) for name in self.left)

    def ignore(self, pattern: str) -> None:
        """Drop the tensors whose whole name fits a regular expression."""
        self.left = {k: x for k, x in self.left.items() if not re.fullmatch(pattern, k)}

    def finish(self) -> None:
        """Raise ValueError if a tensor was not taken."""
        if self.left:
            raise ValueError(
                f"{self.folder} has {len(self.left)} tensors that the model of its "
                f"{CONFIG} has not, such as {min(self.left)!r}"
            )

    def _take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        found = self.left.pop(name)
        if tuple(found.shape) != shape or not found.is_floating_point():
            raise ValueError(
                f"{self.folder}: tensor {name!r} has shape {tuple(found.shape)} and "
                f"{found.dtype}, floats of shape {shape} are needed"
            )
        found = found.to(torch.float32)
        if not found.isfinite().all():
            raise ValueError(f"{self.folder}: tensor {name!r} holds NaN or infinity")
        return found


class Slot(NamedTuple):
    """One tensor of a file.

    Attributes
    ----------
    rank : int
        Its row in the table.
    theirs : tuple of str
        The names that it may have in a file; it is written under the first.
    parts : list of list of str
        Our names of the parameters that are packed in it, in order; a parameter that
        several modules share has several names.
    """

    rank: int
    theirs: tuple[str, ...]
    parts: list[list[str]]


@dataclass(frozen=True)
class Names:
    """The table of a format: the names of a model's parameters in a file.

    Attributes
    ----------
    table : mapping from our names to theirs
        A row is a layer, whose tensors have the same last part of the name in both, or
        one tensor with its full name. "{}" stands for the number of a block. A tuple
        lists the names that files give to the same tensor. Layers with the same name
        there are packed in this order.
    prefix : str, default=""
        The prefix of all names but those of `heads`.
    heads : tuple of str, default=()
    transposed : str, default: none
        Pattern of our names of matrices that are stored as (inputs, outputs).
    left_out : str, default: none
        Pattern of their names that the model does not use.
    copies : mapping from their names to theirs, default: none
        Tensors that are written a second time, for other programs.
    """

    table: Mapping[str, str | tuple[str, ...]]
    prefix: str = ""
    heads: tuple[str, ...] = ()
    transposed: str = NOTHING
    left_out: str = NOTHING
    copies: Mapping[str, str] = field(default_factory=dict)

    def read(self, tensors: Tensors, model: nn.Module) -> dict[str, Tensor]:
        """Take every parameter of a model; ValueError if a tensor is left over."""
        for copy, original in self.copies.items():
            if copy in tensors.left:
                tensors.left.setdefault(original, tensors.left.pop(copy))
        own, weights = model.state_dict(), {}
        for slot in self.slots(model):
            shapes = [own[names[0]].shape for names in slot.parts]
            shape = (sum(size[0] for size in shapes), *shapes[0][1:])
            flipped = self._is_flipped(slot, len(shape))
            found = tensors.take(slot.theirs, shape[::-1] if flipped else shape)
            pieces = (found.mT if flipped else found).split([s[0] for s in shapes])
            for names, piece in zip(slot.parts, pieces, strict=True):
                weights |= dict.fromkeys(names, piece.contiguous())
        tensors.ignore(self.left_out)
        tensors.finish()
        return weights

    def stored(self, model: nn.Module) -> dict[str, Tensor]:
        """Return the tensors of a model by their names in a file."""
        own, found = model.state_dict(), {}
        for slot in self.slots(model):
            packed = torch.cat([own[names[0]] for names in slot.parts])
            flipped = self._is_flipped(slot, packed.ndim)
            name = slot.theirs[0]
            whole = name if name.startswith(self.heads) else self.prefix + name
            found[whole] = packed.mT if flipped else packed
        copies = {copy: found[name].clone() for copy, name in self.copies.items()}
        return found | copies

    def slots(self, model: nn.Module) -> list[Slot]:
        """List the tensors of a file of this model, in the order of the table."""
        shared: dict[int, list[str]] = {}
        parameters = model.state_dict(keep_vars=True)
        for name, parameter in parameters.items():
            shared.setdefault(id(parameter), []).append(name)
        slots: dict[str, Slot] = {}
        for names in shared.values():
            places = sorted(place for place in map(self._place, names) if place)
            if not places:
                raise ValueError(f"{names[0]} has no name in a file of this format")
            theirs = tuple(dict.fromkeys(x for _, found in places for x in found))
            slot = slots.setdefault(theirs[0], Slot(places[0][0], theirs, []))
            slot.parts.append(names)
        return sorted(slots.values(), key=lambda slot: slot.rank)

    def _place(self, name: str) -> tuple[int, tuple[str, ...]] | None:
        """Return the row of a parameter and its names in a file; None without a row."""
        layer, _, end = name.rpartition(".")
        for ours, ending in ((name, ""), (layer, f".{end}")):
            for key in (ours, NUMBER.sub("{}", ours)):
                if key in self.table:
                    row = self.table[key]
                    row = (row,) if isinstance(row, str) else row
                    numbers = NUMBER.findall(name)
                    theirs = tuple(x.format(*numbers) + ending for x in row)
                    return list(self.table).index(key), theirs
        return None

    def _is_flipped(self, slot: Slot, dimensions: int) -> bool:
        matches = re.match(self.transposed, slot.parts[0][0])
        return dimensions == 2 and matches is not None


def _wrapper(names: Mapping[str, Tensor]) -> str | None:
    """Return the prefix that a training tool added to all names, or an empty text."""
    for wrapper in WRAPPERS:
        if all(name.startswith(wrapper) for name in names):
            return wrapper
    return None
