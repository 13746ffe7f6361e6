"""The encoder-decoder of T5: an encoder for the source, a decoder for the target.

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

from torch import Tensor, nn

from genai_lib.checks import check_numbers, describe
from genai_lib.components.attention import (
    MultiHeadAttention,
    Normalizer,
    RMSNorm,
    TransformerBlock,
    causal_mask,
)
from genai_lib.components.positions import BucketPositions
from genai_lib.components.softmax import softmax
from genai_lib.genres.encoder_decoder.cache import ConditionalLM, Seq2SeqCache
from genai_lib.genres.encoder_decoder.checkpoint import T5
from genai_lib.genres.encoder_decoder.config import FEED_FORWARDS, Seq2SeqConfig
from genai_lib.pretrained import Pretrained


class Seq2Seq(Pretrained):
    """T5: predict target tokens from the source and the tokens before them [1, 2].

    Parameters
    ----------
    config : Seq2SeqConfig
    normalize : function of (logits, dim), default=softmax
        The normaliser of every attention.
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
        """Return the logits of the next target token at every position.

        Parameters
        ----------
        source : integer Tensor of shape (B, S)
            Its padding is masked.
        target : integer Tensor of shape (B, T)
            It begins with the start token; see `shift_right`.

        Returns
        -------
        Tensor of shape (B, T, V)
            Row t holds the logits of token t + 1 of the target.

        Raises
        ------
        ValueError
            If a shape is wrong, the batches differ or a token is unknown.
        """
        return self.decode(target, self.start(source))

    def encode(self, source: Tensor) -> Tensor:
        """Return the hidden states (B, S, D) of the encoder for a source (B, S)."""
        check_tokens("source", source, self.config.vocab_size)
        mask = self._real(source)
        x = self.embedding(source)  # (B, S, D)
        for block in self.encoder:
            x = block(x, mask=mask)
        return self.encoder_norm(x)

    def start(self, source: Tensor) -> Seq2SeqCache:
        """Encode the source (B, S) and return a cache for the decoder.

        It holds the keys and values of the source for every cross-attention, so that
        they are computed once.
        """
        x = self.encode(source)
        memories = [block.cross_attention.project_kv(x) for block in self.decoder]
        return Seq2SeqCache(memories, self._real(source))

    def decode(self, target: Tensor, cache: Seq2SeqCache) -> Tensor:
        """Return the logits of the token after each target token (B, T).

        Parameters
        ----------
        target : integer Tensor of shape (B, T)
        cache : Seq2SeqCache
            From `start`; it holds all earlier tokens and is extended by these.

        Returns
        -------
        Tensor of shape (B, T, V)
        """
        x = self.hidden_states(target, cache)
        if self.config.scaled:
            x = x / math.sqrt(self.config.width)
        return self.to_logits(x)

    def hidden_states(self, target: Tensor, cache: Seq2SeqCache) -> Tensor:
        """Return the final hidden states (B, T, D), before the output head."""
        check_target(target, self.config.vocab_size, len(cache.memory_mask))
        past, length = cache.length, target.shape[1]
        mask = causal_mask(length, past + length, device=target.device)
        x = self.embedding(target)  # (B, T, D)
        parts = zip(self.decoder, cache.memories, cache.blocks, strict=True)
        for block, memory, past_keys in parts:
            x = block(
                x, memory, mask=mask, memory_mask=cache.memory_mask, cache=past_keys
            )
        return self.decoder_norm(x)

    def conditioned_on(self, source: Tensor) -> ConditionalLM:
        """Fix the source (B, S); return a language model that `generate` accepts."""
        return ConditionalLM(self, source)

    def check_fits(self) -> None:
        """Raise ValueError if a T5 file cannot represent this model."""
        if self.decoder[0].attention.normalize is not softmax:
            raise ValueError("only softmax fits a T5 file")

    def tie(self) -> None:
        """Share the weights of the output head and the embedding, if `tied` is set."""
        if self.config.tied:
            self.to_logits.weight = self.embedding.weight

    def _real(self, source: Tensor) -> Tensor:
        """Return the attention mask that hides padding."""
        return (source != self.config.pad_token)[:, None, None]  # (B, 1, 1, S)

    def _initialise(self) -> None:
        """Draw weights that keep the variance of their inputs, as T5's authors did.

        T5 does not divide scores by √d. Its query weights are smaller by this factor.
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
    """Make the blocks of the encoder or the decoder; they share one bias table."""
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
            attention(positional_encoding=distances),
            kind(config.width, config.ffn_width, activation, bias=False),
            norm=partial(RMSNorm, epsilon=config.epsilon),
            cross_attention=attention() if decodes else None,
        )
        for _ in range(layers)
    )


def check_tokens(name: str, tokens: Tensor, vocab_size: int) -> None:
    """Raise ValueError unless tokens are integers of shape (B, T) below a size."""
    check_numbers(name, tokens, vocab_size)
    if not tokens.numel():
        raise ValueError(
            f"{name}={describe(tokens)} must be integers of shape (B, T), not empty"
        )


def check_target(target: Tensor, vocab_size: int, rows: int) -> None:
    """Raise ValueError unless `target` holds tokens (B, T) for so many sources."""
    check_tokens("target", target, vocab_size)
    if len(target) != rows:
        raise ValueError(
            f"target={describe(target)} must have as many rows as the source, {rows}"
        )
