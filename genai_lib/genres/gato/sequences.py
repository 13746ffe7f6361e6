"""Sequences for the network: tokens, patches, places, and what is to be learned.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato

Letters used in this file
    T  tokens of a sequence    P  numbers in a patch    B  sequences
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from genai_lib.checks import describe

PATCH = -1  # stands where a patch has its place
PLACES = 128  # into so many intervals a side of a picture is cut
NO_STEP, ACTION, FIRST = 0, 1, 2  # local positions: outside, all actions, observations


@dataclass(frozen=True)
class TokenBatch:
    """A sequence for the network, or with a first dimension B several of them.

    Attributes
    ----------
    ids : int64 Tensor of shape (T,)
        Tokens, and `PATCH` where a patch has its place.
    local : int64 Tensor of shape (T,)
        Place within the time step: 0 outside of one, 1 for every action, from 2 on
        what is seen and the separator.
    learned : bool Tensor of shape (T,)
        True for text and actions, which alone are to be predicted.
    pixels : float32 Tensor of shape (T, P)
        Normalised patches; zeros elsewhere.
    places : int64 Tensor of shape (T, 2, 2)
        First and last interval, of 128, that a patch covers below and beside others.

    Padding is outside of a time step and not learned; see `is_padding`.
    """

    ids: Tensor
    local: Tensor
    learned: Tensor
    pixels: Tensor
    places: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index) -> "TokenBatch":
        return self.map(lambda x: x[index])

    def map(self, change) -> "TokenBatch":
        """Change each Tensor."""
        return TokenBatch(*(change(getattr(self, f.name)) for f in fields(self)))

    def to(self, device: torch.device) -> "TokenBatch":
        """Move to a device."""
        return self.map(lambda x: x.to(device))


def join(*pieces: TokenBatch, dim: int = 0) -> TokenBatch:
    """Put sequences one after the other; with dim=1 those of a batch.

    Where only some have patches, the pixels of the others become zeros.

    Raises
    ------
    ValueError
        If there are none, or patches differ in size.
    """
    wide = _widened(pieces)
    return TokenBatch(
        *(
            torch.cat([getattr(p, f.name) for p in wide], dim)
            for f in fields(TokenBatch)
        )
    )


def stack(sequences: Sequence[TokenBatch]) -> TokenBatch:
    """Make a batch of any sequences (T,); shorter ones end in padding, all zeros.

    Raises
    ------
    ValueError
        If there are none, one is a batch, or patches differ in size.
    """
    for sequence in sequences:
        if sequence.ids.ndim != 1:
            raise ValueError(f"ids={describe(sequence.ids)} must have shape (T,)")
    wide = _widened(sequences)
    columns = ([getattr(s, f.name) for s in wide] for f in fields(TokenBatch))
    return TokenBatch(*(pad_sequence(column, batch_first=True) for column in columns))


def is_padding(sequences: TokenBatch) -> Tensor:
    """Tell the padding of `stack` from tokens; bool of the shape of `ids`."""
    return (sequences.local == NO_STEP) & ~sequences.learned


def plain_tokens(ids: Tensor) -> TokenBatch:
    """Make sequences of plain text from its tokens, of shape (T,) or (B, T)."""
    shape = ids.shape
    return TokenBatch(
        ids=ids,
        local=torch.full(shape, NO_STEP),
        learned=torch.ones(shape, dtype=torch.bool),
        pixels=torch.zeros(*shape, 0),
        places=torch.zeros(*shape, 2, 2, dtype=torch.long),
    )


def action_tokens(tokens: TokenBatch) -> TokenBatch:
    """Mark tokens as an action: one local position for all, and to be predicted."""
    local = torch.full_like(tokens.local, ACTION)
    return replace(tokens, local=local, learned=local == ACTION)


def _widened(pieces: Sequence[TokenBatch]) -> list[TokenBatch]:
    """Give those without patches pixels of the others' size: zeros."""
    if not pieces:
        raise ValueError("sequences: at least one is needed")
    sizes = {piece.pixels.shape[-1] for piece in pieces} - {0}
    if len(sizes) > 1:
        raise ValueError(
            f"pixels: patches of {' and of '.join(map(str, sorted(sizes)))} numbers "
            "cannot stand in one sequence or batch"
        )
    return [
        replace(p, pixels=p.pixels.new_zeros(*p.ids.shape, *sizes))
        if sizes and not p.pixels.shape[-1]
        else p
        for p in pieces
    ]
