"""Log-probabilities of observed tokens: one function for every language model.

Chapter  chapters/components/softmax.ipynb
Tests    tests/components/softmax

Shape letters used in this file
    ...  any leading dimensions    V  tokens in the vocabulary
"""

from torch import Tensor
from torch.nn import functional

from genai_lib.checks import check_floating, check_tokens, describe, is_whole_dtype


def token_log_probabilities(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return ln p of each observed token, from the logits that predicted it.

    Its mean with the sign changed is the cross-entropy in nats; its sum over a text
    is ln p of the text.

    Parameters
    ----------
    logits : floating-point Tensor of shape (..., V)
    tokens : integer Tensor of shape (...)

    Returns
    -------
    Tensor of shape (...)

    Raises
    ------
    ValueError
        If the shapes do not fit, or a token is not from 0 to V - 1. No id stands for
        "ignore this position": leave such positions out.

    >>> import torch
    >>> token_log_probabilities(torch.zeros(2, 8), torch.tensor([3, 5])).exp()
    tensor([0.1250, 0.1250])
    """
    check_floating("logits", logits)
    whole = isinstance(tokens, Tensor) and is_whole_dtype(tokens.dtype)
    if not whole or logits.ndim == 0 or tokens.shape != logits.shape[:-1]:
        raise ValueError(
            f"tokens={describe(tokens)} must have the shape of "
            f"logits={describe(logits)} without its last dimension, and be integers"
        )
    tokens = check_tokens("tokens", tokens, logits.shape[-1])
    # As (N, V): of more dimensions, the function of PyTorch is slower.
    rows = logits.reshape(-1, logits.shape[-1])
    nats = functional.cross_entropy(rows, tokens.reshape(-1), reduction="none")
    return -nats.view(tokens.shape)
