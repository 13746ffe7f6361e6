"""Caches of the decoders, and `ConditionalLM`, which fixes the source.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder

Shape letters used in this file
    B  sequences in a batch    S  positions of the source    T  those of the target
    D  width of the model      V  tokens in the vocabulary
"""

from torch import Tensor

from genai_lib.components.attention import KeyValues
from genai_lib.genres.decoder_only import ModelCache


class Seq2SeqCache(ModelCache):
    """The cache of a `Seq2Seq`: keys and values of the source and of the target.

    Attributes
    ----------
    memories : list of KeyValues
        For each block the keys and values of the source, for its cross-attention.
    memory_mask : bool Tensor of shape (B, 1, 1, S)
        True where the source has a token.
    """

    def __init__(self, memories: list[KeyValues], memory_mask: Tensor) -> None:
        super().__init__(len(memories))
        self.memories, self.memory_mask = memories, memory_mask

    def select(self, rows: Tensor) -> None:
        """Keep the given sequences of the batch, in this order, with their sources."""
        super().select(rows)
        self.memories = [KeyValues(*(part[rows] for part in m)) for m in self.memories]
        self.memory_mask = self.memory_mask[rows]


class RecurrentCache:
    """The cache of a recurrent model: encoder outputs and the state of the decoder.

    Attributes
    ----------
    memory : Tensor of shape (B, S, D)
        The outputs of the encoder.
    memory_mask : bool Tensor of shape (B, 1, S)
        True where the source has a token.
    state : Tensor of shape (1, B, D)
    """

    def __init__(self, memory: Tensor, memory_mask: Tensor, state: Tensor) -> None:
        self.memory, self.memory_mask, self.state = memory, memory_mask, state

    def select(self, rows: Tensor) -> None:
        """Keep the given sequences of the batch, in this order, with their sources."""
        self.memory, self.memory_mask = self.memory[rows], self.memory_mask[rows]
        self.state = self.state[:, rows]


class ConditionalLM:
    """The language model p(target | source) of an encoder-decoder for a fixed source.

    It has the interface of `GPT`, so `generate` and `beam_search` accept it.

    Parameters
    ----------
    model : module with `start(source)` and `decode(target, cache)`
    source : int64 Tensor of shape (B, S)
    """

    def __init__(self, model, source: Tensor) -> None:
        self.model, self.source = model, source

    @property
    def vocab_size(self) -> int:
        """V, the number of tokens in the vocabulary."""
        return self.model.config.vocab_size

    def new_cache(self) -> Seq2SeqCache | RecurrentCache:
        """Encode the source and return a cache for the decoder."""
        return self.model.start(self.source)

    def __call__(
        self, tokens: Tensor, cache: Seq2SeqCache | RecurrentCache | None = None
    ) -> Tensor:
        """Return the logits (B, T, V) of the token after each target token (B, T).

        Raises
        ------
        ValueError
            If a row of logits holds NaN or +∞, or only -∞.
        """
        cache = self.new_cache() if cache is None else cache
        logits = self.model.decode(tokens, cache)
        # NaN is larger than every number to `amax`.
        if not logits.amax(dim=-1).isfinite().all():
            raise ValueError("logits hold NaN or infinity; are the weights finite?")
        return logits
