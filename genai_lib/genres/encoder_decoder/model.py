"""The encoder-decoder of T5: one stack reads the source, one writes the target.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder

Shape letters used in this file
    B  sequences in a batch    S  positions of the source    T  those of the target
    D  width of the model      V  tokens in the vocabulary

References
    [1] Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762
    [2] Raffel et al., "Exploring the Limits of Transfer Learning with a Unified
        Text-to-Text Transformer", 2019, arXiv:1910.10683
"""

import math
from functools import partial

import torch
from torch import Tensor, nn

from genai_lib.checks import can_be_read, describe
from genai_lib.components.attention import (
    MultiHeadAttention,
    Normalizer,
    RMSNorm,
    TransformerBlock,
    causal_mask,
)
from genai_lib.components.positions import BucketPositions
from genai_lib.components.softmax import softmax
from genai_lib.genres.encoder_decoder.cache import Given, Seq2SeqCache
from genai_lib.genres.encoder_decoder.checkpoint import T5
from genai_lib.genres.encoder_decoder.config import FEED_FORWARDS, Seq2SeqConfig
from genai_lib.pretrained import Pretrained


class Seq2Seq(Pretrained):
    """Predict every next token of a target from those before it and a source [1, 2].

    Parameters
    ----------
    config : Seq2SeqConfig
    normalize : function of (logits, dim), default=softmax
        Turns scores into weights in every attention.
    """

    format = T5

    def __init__(self, config: Seq2SeqConfig, normalize: Normalizer = softmax) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.encoder = _stack(config, normalize, decodes=False)
        self.decoder = _stack(config, normalize, decodes=True)
        self.encoder_norm = RMSNorm(config.width, config.epsilon)
        self.decoder_norm = RMSNorm(config.width, config.epsilon)
        self.to_logits = nn.Linear(config.width, config.vocab_size, bias=False)
        self.tie()
        self._initialise()

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Score every token as the next one of the target, at every position.

        Parameters
        ----------
        source : integer Tensor of shape (B, S)
            Nobody looks at its pad tokens.
        target : integer Tensor of shape (B, T)
            It begins with the start token; see `shift_right`.

        Returns
        -------
        Tensor of shape (B, T, V)
            Row t scores what follows token t of the target.

        Raises
        ------
        ValueError
            If a shape is wrong, the batches differ or a token is unknown.
        """
        return self.decode(target, self.start(source))

    def encode(self, source: Tensor) -> Tensor:
        """Read the source (B, S), each token in the light of all: (B, S, D)."""
        check_tokens("source", source, self.config.vocab_size)
        mask = self._real(source)
        x = self.embedding(source)  # (B, S, D)
        for block in self.encoder:
            x = block(x, mask=mask)
        return self.encoder_norm(x)

    def start(self, source: Tensor) -> Seq2SeqCache:
        """Read the source (B, S) and keep what each block will look at."""
        x = self.encode(source)
        memories = [block.cross_attention.remember(x) for block in self.decoder]
        return Seq2SeqCache(memories, self._real(source))

    def decode(self, target: Tensor, cache: Seq2SeqCache) -> Tensor:
        """Score what follows each token (B, T), after what the cache holds.

        Parameters
        ----------
        target : integer Tensor of shape (B, T)
        cache : Seq2SeqCache
            From `start`; it is extended by these tokens.

        Returns
        -------
        Tensor of shape (B, T, V)
        """
        x = self.hidden(target, cache)
        if self.config.scaled:
            x = x / math.sqrt(self.config.width)
        return self.to_logits(x)

    def hidden(self, target: Tensor, cache: Seq2SeqCache) -> Tensor:
        """Return what the decoder makes of each token (B, T, D), before the scores."""
        check_target(target, self.config.vocab_size, len(cache.memory_mask))
        past, length = cache.length, target.shape[1]
        mask = causal_mask(length, past + length, device=target.device)
        x, seen = self.embedding(target), {"memory_mask": cache.memory_mask}
        parts = zip(self.decoder, cache.memories, cache.blocks, strict=True)
        for block, memory, kept in parts:
            x = block(x, memory, mask=mask, cache=kept, **seen)
        return self.decoder_norm(x)

    def given(self, source: Tensor) -> Given:
        """Return the model of the target for this source (B, S), to generate from."""
        return Given(self, source)

    def check_fits(self) -> None:
        """Raise ValueError for what a T5 file has no place for."""
        if self.decoder[0].attention.normalize is not softmax:
            raise ValueError("only softmax fits a T5 file")

    def tie(self) -> None:
        """Let the scores use the weights of the embedding, if so configured."""
        if self.config.tied:
            self.to_logits.weight = self.embedding.weight

    def _real(self, source: Tensor) -> Tensor:
        return (source != self.config.pad_token)[:, None, None]  # (B, 1, 1, S)

    def _initialise(self) -> None:
        """Draw weights that keep the size of what they map, as T5's authors did.

        The scores of an attention are not divided by √d; its queries are instead.
        """
        width, size = self.config.width, self.config.head_width
        nn.init.normal_(self.embedding.weight)
        if not self.config.tied:
            nn.init.normal_(self.to_logits.weight, std=width**-0.5)
        for module in (*self.encoder.modules(), *self.decoder.modules()):
            if isinstance(module, BucketPositions):
                nn.init.normal_(module.table.weight, std=width**-0.5)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
        for module in (*self.encoder.modules(), *self.decoder.modules()):
            if isinstance(module, MultiHeadAttention):
                nn.init.normal_(module.to_query.weight, std=(width * size) ** -0.5)


def _stack(config: Seq2SeqConfig, normalize: Normalizer, decodes: bool):
    """Make the blocks of the encoder or the decoder; one table of distances for all."""
    distances = BucketPositions(
        config.heads, not decodes, config.buckets, config.max_distance
    )
    kind, activation = FEED_FORWARDS[config.feed_forward]
    attention = partial(
        MultiHeadAttention,
        config.width,
        config.heads,
        head_width=config.head_width,
        normalize=normalize,
        scale=1.0,
        bias=False,
    )
    layers = config.decoder_layers if decodes else config.encoder_layers
    return nn.ModuleList(
        TransformerBlock(
            attention(scheme=distances),
            kind(config.width, config.hidden, activation, bias=False),
            norm=partial(RMSNorm, epsilon=config.epsilon),
            cross_attention=attention() if decodes else None,
        )
        for _ in range(layers)
    )


def check_tokens(name: str, tokens: Tensor, vocab_size: int) -> None:
    """Raise ValueError unless tokens are integers of shape (B, T) below a size."""
    whole = isinstance(tokens, Tensor) and tokens.dtype in (torch.int64, torch.int32)
    if not whole or tokens.ndim != 2 or not tokens.numel():
        raise ValueError(
            f"{name}={describe(tokens)} must be integers of shape (B, T), not empty"
        )
    if can_be_read(tokens) and not 0 <= tokens.min() <= tokens.max() < vocab_size:
        raise ValueError(
            f"{name} from {tokens.min()} to {tokens.max()} must be from 0 to "
            f"{vocab_size - 1}"
        )


def check_target(target: Tensor, vocab_size: int, rows: int) -> None:
    """Raise ValueError unless there are tokens (B, T) for a source of so many rows."""
    check_tokens("target", target, vocab_size)
    if len(target) != rows:
        raise ValueError(
            f"target={describe(target)} must have as many rows as the source, {rows}"
        )
