"""Token sequences for the network, with patches, local positions and a loss mask.

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

PATCH = -1  # the id at the position of a patch
INTERVALS = 128  # of each side of an image; patch positions are among them
# Local positions: of plain text, of all actions, of the first observation token.
NO_STEP, ACTION, FIRST = 0, 1, 2


@dataclass(frozen=True)
class TokenBatch:
    """A sequence for the network, or a batch of them with a first dimension B.

    Attributes
    ----------
    ids : int64 Tensor of shape (T,)
        Tokens, and `PATCH` at the position of a patch.
    local : int64 Tensor of shape (T,)
        Position within the time step: 0 for plain text, 1 for every action token, from
        2 on the observation tokens and the separator.
    loss_mask : bool Tensor of shape (T,)
        True for text and actions, the tokens that count in the loss.
    pixels : float32 Tensor of shape (T, P)
        Normalised patches; zeros elsewhere.
    intervals : int64 Tensor of shape (T, 2, 2)
        First and last of 128 intervals that a patch covers, of rows and columns.

    Padding has local position 0 and is not in the loss mask; see `is_padding`.
    """

    ids: Tensor
    local: Tensor
    loss_mask: Tensor
    pixels: Tensor
    intervals: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index) -> "TokenBatch":
        return self.map(lambda x: x[index])

    def map(self, change) -> "TokenBatch":
        """Apply a function to each tensor."""
        return TokenBatch(*(change(getattr(self, f.name)) for f in fields(self)))

    def to(self, device: torch.device) -> "TokenBatch":
        """Return a copy on a device."""
        return self.map(lambda x: x.to(device))


def join(*pieces: TokenBatch, dim: int = 0) -> TokenBatch:
    """Concatenate sequences; with dim=1 those of batches, row by row.

    Where only some have patches, the others get pixels that are zeros.

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
    """Make a batch of sequences (T,); shorter ones are padded with zeros at the end.

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
    """Return where the padding of `stack` is; bool of the shape of `ids`."""
    return (sequences.local == NO_STEP) & ~sequences.loss_mask


def plain_tokens(ids: Tensor) -> TokenBatch:
    """Return ids of shape (T,) or (B, T) as sequences of plain text."""
    shape = ids.shape
    return TokenBatch(
        ids=ids,
        local=torch.full(shape, NO_STEP),
        loss_mask=torch.ones(shape, dtype=torch.bool),
        pixels=torch.zeros(*shape, 0),
        intervals=torch.zeros(*shape, 2, 2, dtype=torch.long),
    )


def action_tokens(tokens: TokenBatch) -> TokenBatch:
    """Return tokens as actions: with their local position, and in the loss mask."""
    local = torch.full_like(tokens.local, ACTION)
    return replace(tokens, local=local, loss_mask=local == ACTION)


def _widened(pieces: Sequence[TokenBatch]) -> list[TokenBatch]:
    """Give sequences without patches zeros for pixels, as many as the others have."""
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
