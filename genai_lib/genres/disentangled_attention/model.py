"""DeBERTa: an encoder with disentangled attention and an enhanced mask decoder.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention

Shape letters used in this file
    B  sequences in a batch    T  positions    D  width    V  tokens in the vocabulary

References
    [1] He et al., "DeBERTa: Decoding-enhanced BERT with Disentangled Attention", 2020,
        arXiv:2006.03654
"""

import torch
from torch import Tensor, nn

from genai_lib.checks import (
    check_boolean,
    check_numbers,
    check_positive,
    describe,
)
from genai_lib.components.attention import ACTIVATIONS, FeedForward, PostNormBlock
from genai_lib.components.positions import LearnedPositions, NoPositions
from genai_lib.genres.disentangled_attention.attention import DebertaAttention
from genai_lib.genres.disentangled_attention.buckets import RelativePositions
from genai_lib.genres.disentangled_attention.checkpoint import DEBERTA
from genai_lib.genres.disentangled_attention.config import DebertaConfig
from genai_lib.genres.disentangled_attention.convolution import (
    CONVOLVED,
    Convolution,
    ConvolvedBlock,
)
from genai_lib.genres.encoder_only import MaskedHead
from genai_lib.pretrained import Pretrained

DECODER_STEPS = 2


class Deberta(Pretrained):
    """DeBERTa, a masked language model with disentangled attention [1].

    With `absolute="decoder"` the last block is applied twice, as the enhanced mask
    decoder. `from_pretrained` reads versions 2 and 3.

    Parameters
    ----------
    config : DebertaConfig
    attention : type, default=DebertaAttention
        The class of the attention layers, such as `DebertaAttentionAsPrinted`.
    """

    format = DEBERTA

    def __init__(
        self,
        config: DebertaConfig,
        attention: type[DebertaAttention] = DebertaAttention,
    ) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.embedding_norm = self._norm(width)
        self.absolute = (
            NoPositions()
            if config.absolute == "none"
            else LearnedPositions(config.context, width)
        )
        self.positions = RelativePositions(
            width,
            config.max_relative_distance,
            config.max_distance,
            self._norm if config.normed else nn.Identity,
        )
        self.blocks = nn.ModuleList(
            self._block(attention, first=i == 0) for i in range(config.layers)
        )
        if config.head:
            self.head = MaskedHead(config)
        self.tie()
        self._initialise()

    def forward(
        self,
        tokens: Tensor,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Compute the logits of the tokens at every position.

        Parameters
        ----------
        tokens : integer Tensor of shape (B, T)
        mask : bool Tensor of shape (B, T), default=None
            False at padding.
        positions : integer Tensor of shape (T,), default=0 to T - 1

        Returns
        -------
        Tensor of shape (B, T, V)

        Raises
        ------
        ValueError
            If a shape is wrong, a token unknown, a position without a vector, or the
            model was loaded without a head.
        """
        if not self.config.head:
            raise ValueError(
                "the checkpoint of this model has no head: only hidden states can be "
                "computed"
            )
        return self.head(self.hidden_states(tokens, mask=mask, positions=positions))

    def hidden_states(
        self,
        tokens: Tensor,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """Return the final hidden states (B, T, D), before the output head.

        The parameters are those of `forward`.
        """
        return self.states(tokens, mask=mask, positions=positions)[-1]

    def states(
        self,
        tokens: Tensor,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> list[Tensor]:
        """Return the embedded tokens and the output of each block, (B, T, D) each.

        The parameters are those of `forward`.
        """
        self._check(tokens, mask, positions)
        if positions is None:
            positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embedding(tokens)  # (B, T, D)
        if self.config.absolute == "input":
            x = self.absolute.embed(x, positions)
        found = [self.embedding_norm(x)]
        options = {"positions": positions}
        options["mask"] = None if mask is None else mask[:, None, None]
        for block in self.blocks[:-1]:
            found.append(block(found[-1], **options))
        last = self.blocks[-1]
        if self.config.absolute == "decoder":
            query = self.absolute.embed(found[-1], positions)
            decoded = enhanced_mask_decoder(
                last, query, found[-1], DECODER_STEPS, **options
            )
            return [*found, decoded]
        return [*found, last(found[-1], **options)]

    def check_fits(self) -> None:
        """Raise ValueError unless the format of DeBERTa can store this model."""
        if {type(block.attention) for block in self.blocks} != {DebertaAttention}:
            raise ValueError("only a model with DebertaAttention fits a DeBERTa file")
        absolute, terms = self.config.absolute, self.config.terms
        if absolute == "decoder" or "c2c" not in terms:
            raise ValueError(
                f"{absolute=} and {terms=}: a DeBERTa file has no enhanced mask "
                "decoder, and always the term c2c"
            )

    def tie(self) -> None:
        """Tie the output head to the embedding, if so configured."""
        if self.config.tied and self.config.head:
            self.head.to_logits.weight = self.embedding.weight

    def _block(self, attention: type[DebertaAttention], first: bool) -> PostNormBlock:
        config = self.config
        parts = [
            attention(
                config.width,
                config.heads,
                self.positions,
                terms=config.terms,
                shared=config.shared,
            ),
            FeedForward(config.width, config.ffn_width, ACTIVATIONS[config.activation]),
        ]
        if config.convolution is None or not first:
            return PostNormBlock(*parts, norm=self._norm)
        activation = CONVOLVED[config.convolved]
        convolution = Convolution(
            config.width, config.convolution, activation, self._norm
        )
        return ConvolvedBlock(*parts, convolution, norm=self._norm)

    def _norm(self, width: int) -> nn.LayerNorm:
        return nn.LayerNorm(width, self.config.epsilon)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding | nn.Conv1d):
                nn.init.normal_(module.weight, std=self.config.init_std)
            if isinstance(module, nn.Linear | nn.Conv1d):
                nn.init.zeros_(module.bias)

    def _check(self, tokens, mask, positions) -> None:
        check_numbers("tokens", tokens, self.config.vocab_size)
        length = tokens.shape[1]
        if positions is not None and (
            getattr(positions, "dtype", None) not in (torch.int64, torch.int32)
            or positions.shape != (length,)
            or positions.device != tokens.device
        ):
            raise ValueError(
                f"positions={describe(positions)} must be {length} whole numbers, as a "
                f"tensor on {tokens.device}"
            )
        if mask is not None:
            check_boolean("mask", mask, tokens.shape, tokens.device)


def enhanced_mask_decoder(
    block: PostNormBlock, query: Tensor, memory: Tensor, steps: int, **options
) -> Tensor:
    """Apply one block several times to queries, always with the same memory [1, §3.2].

    It is called EMD for short. The queries of the first step have the absolute
    positions added, the memory has not.

    Parameters
    ----------
    block : PostNormBlock
        Its attention attends from `query` to `memory`.
    query : Tensor of shape (B, T, D)
        The input of the first step; the output of a step is the input of the next.
    memory : Tensor of shape (B, T, D)
        The hidden states that keys and values are projected from.
    steps : int
        How many times the block is applied, at least 1.
    **options
        `mask` and `positions` of the attention.

    Returns
    -------
    Tensor of shape (B, T, D)
    """
    (steps,) = check_positive(steps=steps)
    for _ in range(steps):
        query = block.attention_norm(query + block.attention(query, memory, **options))
        query = block.feed_forward_norm(query + block.feed_forward(query))
    return query
