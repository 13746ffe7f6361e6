"""Gato: a GPT that reads text, numbers and patches, and learns text and actions.

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
from genai_lib.genres.gato.sequences import PATCH, PLACES, TokenBatch, is_padding


class PatchEmbedding(nn.Module):
    """Turn normalised patches into vectors that know their place in the picture.

    The paper has a convolutional residual block here; on patches of 4 by 4 pixels two
    linear maps and a residual do.

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
        self.rows = nn.Embedding(PLACES, width)
        self.columns = nn.Embedding(PLACES, width)
        for table in (self.rows, self.columns):
            nn.init.normal_(table.weight, std=init_std)

    def forward(
        self, pixels: Tensor, places: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Map pixels (..., P) and places (..., 2, 2) to (..., D).

        In training the place is drawn within the interval that the patch covers, else
        it is the middle [1, appendix C].
        """
        first, last = places.unbind(dim=-2)  # (..., 2): row and column
        if self.training:
            share = torch.rand(first.shape, generator=generator).to(pixels.device)
            place = first + (share * (last - first + 1)).long()
        else:
            place = (first + last) // 2
        x = self.to_width(pixels)
        x = x + self.to_change(functional.gelu(x))
        return x + self.rows(place[..., 0]) + self.columns(place[..., 1])


class Gato(nn.Module):
    """One network for text, pictures and actions [1].

    Parameters
    ----------
    config : GPTConfig
        Of the backbone; its vocabulary is that of all tokens.
    pixels : int
        P, how many numbers a patch has.
    local : int, default=32
        How many local positions are known: what can be seen in one time step, and the
        separator, have at most two fewer.
    positional_encoding : PositionalEncoding, default=None
        How the backbone knows the order of the tokens; None are learned positions.
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
        # Row 0 is for plain text, which has no time steps, and stays zero.
        self.local = nn.Embedding(local, config.width, padding_idx=0)
        nn.init.normal_(self.local.weight[1:], std=config.init_std)

    def forward(
        self, sequences: TokenBatch, generator: torch.Generator | None = None
    ) -> Tensor:
        """Score every token as the next one: (B, T, V).

        Parameters
        ----------
        sequences : TokenBatch
            A batch.
        generator : torch.Generator, default=None
            Draws the places of patches, in training.
        """
        return self.backbone(embeddings=self.embed(sequences, generator))

    def after(self, sequences: TokenBatch) -> Tensor:
        """Score what comes after the last token of each sequence, before any padding.

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
        """Return what the backbone reads: (B, T, D)."""
        self._check(sequences)
        is_patch = sequences.ids == PATCH
        x = self.backbone.embedding(sequences.ids.clamp(min=0))  # (B, T, D)
        if is_patch.any():
            pixels, places = sequences.pixels[is_patch], sequences.places[is_patch]
            x = x.masked_fill(is_patch[..., None], 0.0)
            x = x.masked_scatter(
                is_patch[..., None], self.patches(pixels, places, generator)
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
                "sequences: padding stands before tokens; it must end a row, so what "
                "is joined must be equally long"
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
    """Average -ln p(token) over text and actions alone [1, eq. 2]; in nats.

    Every token counts alike, so a source with more of them weighs more.

    Parameters
    ----------
    model : Gato
    sequences : TokenBatch
        A batch, of one source or of several.
    generator : torch.Generator, default=None
        Draws the places of patches, in training.

    Raises
    ------
    ValueError
        If there is nothing to learn.
    """
    learned = sequences.learned[:, 1:]  # nothing comes before the first token
    if not learned.any():
        raise ValueError("no text and no action is to be predicted")
    x = model.backbone.hidden_states(embeddings=model.embed(sequences, generator))
    scores = model.backbone.to_logits(x[:, :-1][learned])  # (learned tokens, V)
    return functional.cross_entropy(scores, sequences.ids[:, 1:][learned])


def likeliest(logits: Tensor, options: int) -> Tensor:
    """Choose the token with the largest logit (B, V) among the first `options`: (B,).

    Raises
    ------
    ValueError
        If a logit is NaN or +∞, or all of the options have -∞: then nothing can be
        chosen.
    """
    best = logits[:, :options].amax(dim=-1)
    # NaN is larger than every number to `amax`.
    if not (best.isfinite() & logits.amax(dim=-1).isfinite()).all():
        raise ValueError("logits hold NaN or infinity; are the weights finite?")
    return logits[:, :options].argmax(dim=-1)
