"""The heads of BERT: logits of tokens, and classes of texts.

Chapter  chapters/genres/encoder_only.ipynb
Tests    tests/genres/encoder_only

Shape letters used in this file
    B  sequences in a batch    T  positions    D  width    V  tokens in the vocabulary

References
    [1] Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for
        Language Understanding", 2018, arXiv:1810.04805
"""

from torch import Tensor, nn

from genai_lib.checks import check_positive, check_whole, describe
from genai_lib.components.attention import ACTIVATIONS
from genai_lib.genres.encoder_only.config import BertConfig


class MaskedHead(nn.Module):
    """The head of a masked language model: hidden states to logits [1, §A.2].

    Parameters
    ----------
    config : BertConfig
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.transform = nn.Linear(config.width, config.width)
        self.activation = ACTIVATIONS[config.activation]
        self.norm = nn.LayerNorm(config.width, config.epsilon)
        self.to_logits = nn.Linear(config.width, config.vocab_size)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Map (..., D) to logits (..., V)."""
        transformed = self.activation(self.transform(hidden_states))
        return self.to_logits(self.norm(transformed))


class BertClassifier(nn.Module):
    """Classify texts by the vector of their first token, [CLS] [1, §4.1].

    Parameters
    ----------
    bert : Bert
        A model with a pooler. It is fine-tuned too.
    classes : int
    """

    def __init__(self, bert: nn.Module, classes: int) -> None:
        super().__init__()
        check_positive(classes=classes)
        if bert.pooler is None:
            raise ValueError("bert has no pooler, which the classifier needs")
        self.bert = bert
        self.to_classes = nn.Linear(bert.config.width, classes)

    def forward(
        self,
        tokens: Tensor,
        token_types: Tensor | None = None,
        *,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Map (B, T) to logits (B, classes); the parameters are those of `Bert`."""
        return self.to_classes(self.bert.pooled(tokens, token_types, mask=mask))


def padding_mask(tokens: Tensor, padding: int) -> Tensor:
    """Build the attention mask that hides padding tokens.

    Parameters
    ----------
    tokens : integer Tensor of shape (B, T)
    padding : int
        The padding token.

    Returns
    -------
    bool Tensor of shape (B, 1, 1, T)

    >>> import torch
    >>> padding_mask(torch.tensor([[5, 6, 0]]), 0).flatten().tolist()
    [True, True, False]
    """
    if not isinstance(tokens, Tensor) or tokens.ndim != 2:
        raise ValueError(f"tokens={describe(tokens)} must have shape (B, T)")
    (padding,) = check_whole(None, None, padding=padding)
    return (tokens != padding)[:, None, None]
