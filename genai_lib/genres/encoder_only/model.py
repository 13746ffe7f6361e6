"""BERT: a stack of blocks in which every token sees every other.

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
    """Read a whole text at once, and say which token belongs where [1].

    `from_pretrained` gives it a head and a pooler if the files hold them. The head that
    predicts the next sentence is left out.

    Parameters
    ----------
    config : BertConfig
    normalize : function of (logits, dim), default=softmax
        Turns scores into weights in every attention.
    positional_encoding : PositionalEncoding, default=LearnedPositions(context, width)
        How positions enter. Only the default limits the length of a sequence.
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
                # Learned positions are added at the entrance, not in an attention.
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
        """Score every token at every position.

        Parameters
        ----------
        tokens : integer Tensor of shape (B, T)
        token_types : integer Tensor of shape (B, T), default=zeros
            Which kind of text each token belongs to.
        mask : bool Tensor of shape (T, T) or (B or 1, heads or 1, T or 1, T)
            True where looking is allowed; by default it is allowed everywhere. Of texts
            that are filled up, `padding_mask` makes it.
        at : bool Tensor of shape (B, T), default=None
            Where scores are wanted, if not everywhere; only these are computed.

        Returns
        -------
        Tensor of shape (B, T, V), or (N, V) for N wanted positions
            Row t scores what stands at position t.

        Raises
        ------
        ValueError
            If the model has no head, or an input has a wrong shape, an unknown token
            or type, or more positions than `context`.
        """
        if self.head is None:
            raise ValueError(
                "this model has no head; only `hidden_states` can be asked for"
            )
        hidden = self.hidden_states(tokens, token_types, mask=mask)
        if at is not None:
            check_boolean("at", at, tokens.shape, tokens.device)
        return self.head(hidden if at is None else hidden[at])

    def hidden_states(
        self,
        tokens: Tensor,
        token_types: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return what the model makes of each position (B, T, D), before the scores.

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
        """Sum each text up in one vector (B, D), made of its first position [1, §4.1].

        The parameters are those of `hidden_states`.
        """
        if self.pooler is None:
            raise ValueError("this model has no pooler")
        first = self.hidden_states(tokens, token_types, mask=mask)[:, 0]
        return self.pooler(first).tanh()

    def check_fits(self) -> None:
        """Raise ValueError for what a BERT file has no place for."""
        normalizers = {block.attention.normalize for block in self.blocks}
        if self.max_positions is None or normalizers != {softmax}:
            raise ValueError("only softmax and learned positions fit a BERT file")

    def tie(self) -> None:
        """Let the scores use the weights of the embedding, if so configured."""
        if self.config.tied and self.head is not None:
            self.head.to_logits.weight = self.embedding.weight

    def _norm(self, width: int) -> nn.LayerNorm:
        return nn.LayerNorm(width, self.config.epsilon)

    def _initialise(self) -> None:
        """Draw small weights; constants start at 0 [1, §A.2]."""
        tables = [self.embedding, self.type_embedding]
        if self.max_positions is not None:
            tables.append(self.positional_encoding.table)
        maps = [module for module in self.modules() if isinstance(module, nn.Linear)]
        for module in tables + maps:
            nn.init.normal_(module.weight, std=self.config.init_std)
        for linear in maps:
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
