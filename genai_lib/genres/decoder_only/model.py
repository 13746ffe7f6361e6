"""GPT: a stack of causal transformer blocks that predicts the next token.

Chapter  chapters/genres/decoder_only.ipynb
Tests    tests/genres/decoder_only

Shape letters used in this file
    B  sequences in a batch    T  positions    D  width    V  tokens in the vocabulary

References
    [1] Radford et al., "Improving Language Understanding by Generative Pre-Training",
        2018
    [2] Radford et al., "Language Models are Unsupervised Multitask Learners", 2019
    [3] Press and Wolf, "Using the Output Embedding to Improve Language Models", 2016,
        arXiv:1608.05859
"""

import math

import torch
from torch import Tensor, nn

from genai_lib.checks import (
    check_floating,
    check_numbers,
    check_whole,
    describe,
)
from genai_lib.components.attention import (
    FeedForward,
    KeyValueCache,
    MultiHeadAttention,
    Normalizer,
    PositionalEncoding,
    TransformerBlock,
    causal_mask,
)
from genai_lib.components.positions import LearnedPositions
from genai_lib.components.softmax import softmax
from genai_lib.genres.decoder_only.checkpoint import GPT2
from genai_lib.genres.decoder_only.config import ACTIVATIONS, GPTConfig
from genai_lib.pretrained import Pretrained


class ModelCache:
    """The keys and values of all tokens that a model has read: one cache per block.

    Attributes
    ----------
    blocks : list of KeyValueCache
    """

    def __init__(self, layers: int) -> None:
        (layers,) = check_whole(0, None, layers=layers)
        self.blocks = [KeyValueCache() for _ in range(layers)]

    @property
    def length(self) -> int:
        """The number of positions in the cache."""
        return self.blocks[0].length

    def select(self, rows: Tensor) -> None:
        """Keep some sequences of the batch, in this order, as beam search does."""
        for block in self.blocks:
            block.select(rows)

    def crop(self, length: int) -> None:
        """Keep only the first `length` positions."""
        for block in self.blocks:
            block.crop(length)


class GPT(Pretrained):
    """A decoder-only language model: predicts each token from those before it [1, 2].

    Parameters
    ----------
    config : GPTConfig
    normalize : function of (logits, dim), default=softmax
        Turns scores into weights in every attention.
    positional_encoding : PositionalEncoding, default=LearnedPositions(context, width)
        Only the default limits the length of a sequence.
    """

    format = GPT2

    def __init__(
        self,
        config: GPTConfig,
        normalize: Normalizer = softmax,
        positional_encoding: PositionalEncoding | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.max_positions = config.context if positional_encoding is None else None
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.positional_encoding = positional_encoding or LearnedPositions(
            config.context, config.width
        )
        self.blocks = nn.ModuleList(
            TransformerBlock(
                # Learned positions are added to the input and not used in attention.
                MultiHeadAttention(
                    config.width,
                    config.heads,
                    normalize=normalize,
                    positional_encoding=positional_encoding,
                ),
                FeedForward(
                    config.width, config.ffn_width, ACTIVATIONS[config.activation]
                ),
                norm=self._norm,
            )
            for _ in range(config.layers)
        )
        self.norm = self._norm(config.width)
        self.to_logits = nn.Linear(config.width, config.vocab_size, bias=False)
        self.tie()
        self._initialise()

    def forward(
        self,
        tokens: Tensor | None = None,
        *,
        embeddings: Tensor | None = None,
        cache: ModelCache | None = None,
    ) -> Tensor:
        """Compute the logits of the next token at every position.

        Parameters
        ----------
        tokens : integer Tensor of shape (B, T)
        embeddings : Tensor of shape (B, T, D), default=None
            Used in place of the embedded tokens; `tokens` is then not given.
        cache : ModelCache, default=None
            From `new_cache`: the keys and values of the tokens read before. It is
            extended by these tokens.

        Returns
        -------
        Tensor of shape (B, T, V)
            Row t holds the logits of the token after token t.

        Raises
        ------
        ValueError
            If not exactly one of `tokens` and `embeddings` is given, or it has a wrong
            shape, an unknown token or more positions than `context`.
        """
        return self.to_logits(
            self.hidden_states(tokens, embeddings=embeddings, cache=cache)
        )

    def hidden_states(
        self,
        tokens: Tensor | None = None,
        *,
        embeddings: Tensor | None = None,
        cache: ModelCache | None = None,
    ) -> Tensor:
        """Return the final hidden states (B, T, D), before the output head.

        The parameters are those of `forward`.
        """
        x = self._embed(tokens, embeddings)  # (B, T, D)
        past, length = 0 if cache is None else cache.length, x.shape[1]
        if self.max_positions is not None and past + length > self.max_positions:
            raise ValueError(
                f"tokens: {length} after {past} in the cache are more than "
                f"context={self.max_positions}"
            )
        positions = torch.arange(past, past + length, device=x.device)
        mask = causal_mask(length, past + length, device=x.device)
        x = self.positional_encoding.embed(x, positions)
        caches = [None] * len(self.blocks) if cache is None else cache.blocks
        for block, block_cache in zip(self.blocks, caches, strict=True):
            x = block(x, mask=mask, positions=positions, cache=block_cache)
        return self.norm(x)

    def new_cache(self) -> ModelCache:
        """Make an empty cache for this model."""
        return ModelCache(len(self.blocks))

    def check_fits(self) -> None:
        """Raise ValueError unless the format of GPT-2 can store this model."""
        normalizers = {block.attention.normalize for block in self.blocks}
        if self.max_positions is None or normalizers != {softmax}:
            raise ValueError("only softmax and learned positions fit a GPT-2 file")

    def tie(self) -> None:
        """Tie the output head to the embedding [3], if so configured."""
        if self.config.tied:
            self.to_logits.weight = self.embedding.weight

    def _norm(self, width: int) -> nn.LayerNorm:
        return nn.LayerNorm(width, self.config.epsilon)

    def _initialise(self) -> None:
        """Draw small weights, and smaller ones for the stream's inputs [2, §2.3]."""
        init_std = self.config.init_std
        tables = [self.embedding, self.to_logits]
        if self.max_positions is not None:
            tables.append(self.positional_encoding.table)
        for table in tables:
            nn.init.normal_(table.weight, std=init_std)
        for block in self.blocks:
            # The residual stream is the sum of 2 L outputs, two from each block.
            into_stream = (block.attention.to_output, block.feed_forward.to_output)
            for linear in block.modules():
                if isinstance(linear, nn.Linear):
                    terms = 2 * len(self.blocks) if linear in into_stream else 1
                    nn.init.normal_(linear.weight, std=init_std / math.sqrt(terms))
                    nn.init.zeros_(linear.bias)

    def _embed(self, tokens: Tensor | None, embeddings: Tensor | None) -> Tensor:
        if (tokens is None) == (embeddings is None):
            raise ValueError("give either tokens or embeddings, one of the two")
        if embeddings is not None:
            check_floating("embeddings", embeddings)
            if embeddings.ndim != 3 or embeddings.shape[-1] != self.config.width:
                raise ValueError(
                    f"embeddings={describe(embeddings)} must have shape "
                    f"(B, T, {self.config.width})"
                )
            return embeddings
        check_numbers("tokens", tokens, self.config.vocab_size)
        return self.embedding(tokens)
