"""Gato: a GPT on text, numbers and image patches, trained on text and actions.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato

Shape letters used in this file
    B  sequences in a batch    T  positions    D  width    V  tokens in the vocabulary
    P  numbers in a patch

References
    [1] Reed et al., "A Generalist Agent", 2022, arXiv:2205.06175, sections 2.2 and 2.3
        and appendix C
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from genai_lib.checks import check_positive, describe
from genai_lib.components.attention import PositionalEncoding
from genai_lib.genres.decoder_only import GPT, GPTConfig
from genai_lib.genres.gato.sequences import INTERVALS, PATCH, TokenBatch, is_padding


class PatchEmbedding(nn.Module):
    """Embed normalised patches and add embeddings of their row and column.

    The paper has a convolutional residual block here. For patches of 4 by 4 pixels
    this class has two linear layers with a residual connection.

    Parameters
    ----------
    pixels : int
        P.
    width : int
        D.
    """

    def __init__(self, pixels: int, width: int, init_std: float) -> None:
        super().__init__()
        self.to_width = nn.Linear(pixels, width)
        self.to_change = nn.Linear(width, width)
        self.rows = nn.Embedding(INTERVALS, width)
        self.columns = nn.Embedding(INTERVALS, width)
        for table in (self.rows, self.columns):
            nn.init.normal_(table.weight, std=init_std)

    def forward(
        self,
        pixels: Tensor,
        intervals: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the embedding (..., D) of pixels (..., P) and intervals (..., 2, 2).

        The position of a patch is drawn from its interval in training; otherwise it
        is the middle of the interval [1, appendix C].
        """
        first, last = intervals.unbind(dim=-2)  # (..., 2): row and column
        if self.training:
            fraction = torch.rand(first.shape, generator=generator).to(pixels.device)
            position = first + (fraction * (last - first + 1)).long()
        else:
            position = (first + last) // 2
        x = self.to_width(pixels)
        x = x + self.to_change(functional.gelu(x))
        return x + self.rows(position[..., 0]) + self.columns(position[..., 1])


class Gato(nn.Module):
    """One transformer decoder for text, images, numbers and actions [1].

    Parameters
    ----------
    config : GPTConfig
        Of the backbone; its vocabulary holds all tokens.
    pixels : int
        P, the number of values in a patch.
    local : int, default=32
        The number of local positions. Two are taken by plain text and by actions; the
        others are for the observations of a time step and its separator.
    positional_encoding : PositionalEncoding, default=None
        Of the backbone; None means learned absolute positions.
    """

    def __init__(
        self,
        config: GPTConfig,
        pixels: int,
        local: int = 32,
        positional_encoding: PositionalEncoding | None = None,
    ) -> None:
        super().__init__()
        check_positive(pixels=pixels, local=local)
        self.config, self.pixels = config, pixels
        self.backbone = GPT(config, positional_encoding=positional_encoding)
        self.patches = PatchEmbedding(pixels, config.width, config.init_std)
        # Row 0 stays zero: plain text has no time steps.
        self.local = nn.Embedding(local, config.width, padding_idx=0)
        nn.init.normal_(self.local.weight[1:], std=config.init_std)

    def forward(
        self, sequences: TokenBatch, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the logits (B, T, V) of the token after each position.

        Parameters
        ----------
        sequences : TokenBatch
            A batch.
        generator : torch.Generator, default=None
            Draws the positions of patches, in training.
        """
        return self.backbone(embeddings=self.embed(sequences, generator))

    def next_logits(self, sequences: TokenBatch) -> Tensor:
        """Return the logits of the token after each sequence, padding ignored.

        Returns
        -------
        Tensor of shape (B, V)
        """
        x = self.backbone.hidden_states(embeddings=self.embed(sequences))
        lengths = (~is_padding(sequences)).sum(dim=1)
        if not lengths.all():
            raise ValueError("sequences: one of them is empty")
        return self.backbone.to_logits(x[torch.arange(len(x)), lengths - 1])

    def embed(
        self, sequences: TokenBatch, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the input vectors of the backbone (B, T, D)."""
        self._check(sequences)
        is_patch = sequences.ids == PATCH
        x = self.backbone.embedding(sequences.ids.clamp(min=0))  # (B, T, D)
        if is_patch.any():
            pixels = sequences.pixels[is_patch]
            intervals = sequences.intervals[is_patch]
            x = x.masked_fill(is_patch[..., None], 0.0)
            x = x.masked_scatter(
                is_patch[..., None], self.patches(pixels, intervals, generator)
            )
        return x + self.local(sequences.local)

    def _check(self, sequences: TokenBatch) -> None:
        ids, size = sequences.ids, self.config.vocab_size
        if ids.ndim != 2:
            raise ValueError(f"ids={describe(ids)} must have shape (B, T)")
        if ids.numel() and not PATCH <= ids.min() <= ids.max() < size:
            raise ValueError(
                f"ids from {ids.min()} to {ids.max()} must be {PATCH} for a patch, or "
                f"from 0 to {size - 1}"
            )
        padding = is_padding(sequences)
        if (padding[:, :-1] & ~padding[:, 1:]).any():
            raise ValueError(
                "sequences: padding stands before tokens; it must end a row, so "
                "sequences that are joined must be equally long"
            )
        known = self.local.num_embeddings
        if sequences.local.numel() and sequences.local.max() >= known:
            raise ValueError(
                f"a time step has local position {sequences.local.max()}, "
                f"local={known} are known"
            )
        wrong = sequences.pixels.shape[-1] not in (0, self.pixels)
        if wrong or ((ids == PATCH).any() and sequences.pixels.shape[-1] == 0):
            raise ValueError(
                f"pixels={describe(sequences.pixels)} must have {self.pixels} numbers "
                "in a patch"
            )


def masked_loss(
    model: Gato, sequences: TokenBatch, generator: torch.Generator | None = None
) -> Tensor:
    """Return the mean -ln p over the tokens of text and actions [1, eq. 2], in nats.

    Every token has the same weight, so a source with more tokens counts more.

    Parameters
    ----------
    model : Gato
    sequences : TokenBatch
        A batch, of one source or several.
    generator : torch.Generator, default=None
        Draws the positions of patches, in training.

    Raises
    ------
    ValueError
        If the batch has no text and no action.
    """
    mask = sequences.loss_mask[:, 1:]  # the first token has no context
    if not mask.any():
        raise ValueError("no text and no action is to be predicted")
    x = model.backbone.hidden_states(embeddings=model.embed(sequences, generator))
    logits = model.backbone.to_logits(x[:, :-1][mask])  # (predicted tokens, V)
    return functional.cross_entropy(logits, sequences.ids[:, 1:][mask])


def likeliest(logits: Tensor, options: int) -> Tensor:
    """Return the most probable of the first `options` tokens (B,), by logits (B, V).

    Raises
    ------
    ValueError
        If a logit is NaN or +∞, or all options have -∞.
    """
    best = logits[:, :options].amax(dim=-1)
    # NaN is larger than every number to `amax`.
    if not (best.isfinite() & logits.amax(dim=-1).isfinite()).all():
        raise ValueError("logits hold NaN or infinity; are the weights finite?")
    return logits[:, :options].argmax(dim=-1)
