"""BERT: a stack of transformer blocks without a causal mask.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only

Shape letters used in this file
    B  sequences in a batch    T  positions    D  width    V  tokens in the vocabulary

References
    [1] Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for
        Language Understanding", 2018, arXiv:1810.04805
    [2] Vaswani et al., "Attention Is All You Need", 2017, arXiv:1706.03762
"""

import torch
from torch import Tensor, nn

from genai_lib.checks import check_boolean, check_numbers, describe
from genai_lib.components.attention import (
    ACTIVATIONS,
    FeedForward,
    MultiHeadAttention,
    Normalizer,
    PositionalEncoding,
    PostNormBlock,
)
from genai_lib.components.positions import LearnedPositions
from genai_lib.components.softmax import softmax
from genai_lib.genres.encoder_only.checkpoint import BERT
from genai_lib.genres.encoder_only.config import BertConfig
from genai_lib.genres.encoder_only.heads import MaskedHead
from genai_lib.pretrained import Pretrained


class Bert(Pretrained):
    """An encoder-only masked language model: every position attends to all others [1].

    `from_pretrained` loads a head and a pooler if the files have them. The head for
    next sentence prediction is not loaded.

    Parameters
    ----------
    config : BertConfig
    normalize : function of (logits, dim), default=softmax
        Turns scores into weights in every attention.
    positional_encoding : PositionalEncoding, default=LearnedPositions(context, width)
        Only the default limits the length of a sequence.
    """

    format = BERT

    def __init__(
        self,
        config: BertConfig,
        normalize: Normalizer = softmax,
        positional_encoding: PositionalEncoding | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.max_positions = config.context if positional_encoding is None else None
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.type_embedding = nn.Embedding(config.token_types, config.width)
        self.positional_encoding = positional_encoding or LearnedPositions(
            config.context, config.width
        )
        self.norm = self._norm(config.width)
        self.blocks = nn.ModuleList(
            PostNormBlock(
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
        self.pooler = nn.Linear(config.width, config.width) if config.pooler else None
        self.head = MaskedHead(config) if config.head else None
        self.tie()
        self._initialise()

    def forward(
        self,
        tokens: Tensor,
        token_types: Tensor | None = None,
        *,
        mask: Tensor | None = None,
        at: Tensor | None = None,
    ) -> Tensor:
        """Compute the logits of the tokens at every position.

        Parameters
        ----------
        tokens : integer Tensor of shape (B, T)
        token_types : integer Tensor of shape (B, T), default=zeros
            The segment that each token belongs to.
        mask : bool Tensor of shape (T, T) or (B or 1, heads or 1, T or 1, T)
            True where attention is allowed, by default everywhere. `padding_mask` makes
            it for texts with padding.
        at : bool Tensor of shape (B, T), default=None
            The positions whose logits are computed, by default all.

        Returns
        -------
        Tensor of shape (B, T, V), or (N, V) for N positions chosen by `at`
            Row t holds the logits of the token at position t.

        Raises
        ------
        ValueError
            If the model has no head, or an input has a wrong shape, an unknown token
            or type, or more positions than `context`.
        """
        if self.head is None:
            raise ValueError(
                "this model has no head, only `hidden_states` and `pooled`"
            )
        x = self.hidden_states(tokens, token_types, mask=mask)
        if at is not None:
            check_boolean("at", at, tokens.shape, tokens.device)
        return self.head(x if at is None else x[at])

    def hidden_states(
        self,
        tokens: Tensor,
        token_types: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the final hidden states (B, T, D), before the output head.

        The parameters are those of `forward`, without `at`.
        """
        x = self._embed(tokens, token_types)  # (B, T, D)
        length = x.shape[1]
        if self.max_positions is not None and length > self.max_positions:
            raise ValueError(
                f"tokens: {length} are more than context={self.max_positions}"
            )
        positions = torch.arange(length, device=x.device)
        x = self.norm(self.positional_encoding.embed(x, positions))
        for block in self.blocks:
            x = block(x, mask=mask, positions=positions)
        return x

    def pooled(
        self,
        tokens: Tensor,
        token_types: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Compute one vector (B, D) per text from its first position, [CLS] [1, §4.1].

        The parameters are those of `hidden_states`.
        """
        if self.pooler is None:
            raise ValueError("this model has no pooler")
        first = self.hidden_states(tokens, token_types, mask=mask)[:, 0]
        return self.pooler(first).tanh()

    def check_fits(self) -> None:
        """Raise ValueError unless the format of BERT can store this model."""
        normalizers = {block.attention.normalize for block in self.blocks}
        if self.max_positions is None or normalizers != {softmax}:
            raise ValueError("only softmax and learned positions fit a BERT file")

    def tie(self) -> None:
        """Tie the output head to the embedding, if so configured."""
        if self.config.tied and self.head is not None:
            self.head.to_logits.weight = self.embedding.weight

    def _norm(self, width: int) -> nn.LayerNorm:
        return nn.LayerNorm(width, self.config.epsilon)

    def _initialise(self) -> None:
        """Draw small weights; biases start at 0 [1, §A.2]."""
        tables = [self.embedding, self.type_embedding]
        if self.max_positions is not None:
            tables.append(self.positional_encoding.table)
        linears = [m for m in self.modules() if isinstance(m, nn.Linear)]
        for module in tables + linears:
            nn.init.normal_(module.weight, std=self.config.init_std)
        for linear in linears:
            nn.init.zeros_(linear.bias)

    def _embed(self, tokens: Tensor, token_types: Tensor | None) -> Tensor:
        check_numbers("tokens", tokens, self.config.vocab_size)
        x = self.embedding(tokens)
        if token_types is None:
            return x + self.type_embedding.weight[0]
        check_numbers("token_types", token_types, self.config.token_types)
        if token_types.shape != tokens.shape:
            raise ValueError(
                f"token_types={describe(token_types)} must have the shape of "
                f"tokens={describe(tokens)}"
            )
        return x + self.type_embedding(token_types)
