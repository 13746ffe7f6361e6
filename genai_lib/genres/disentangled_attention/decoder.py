"""The mask decoder: the last block, asked again and again.

Chapter  chapters/genres/disentangled_attention.ipynb
Tests    tests/genres/disentangled_attention

Shape letters used in this file
    B  sequences in a batch    T  positions    D  width

References
    [1] He et al., "DeBERTa: Decoding-enhanced BERT with Disentangled Attention", 2020,
        arXiv:2006.03654
"""

from torch import Tensor

from genai_lib.checks import check_positive
from genai_lib.components.attention import PostNormBlock


def decode(
    block: PostNormBlock, query: Tensor, memory: Tensor, times: int, **seen
) -> Tensor:
    """Let one block answer queries again and again, always about one memory [1, §3.2].

    Parameters
    ----------
    block : PostNormBlock
        Its attention compares `query` with `memory`.
    query : Tensor of shape (B, T, D)
        Of the first time; then what the block made of it.
    memory : Tensor of shape (B, T, D)
        What keys and values are made of.
    times : int
        At least 1.
    **seen
        `mask` and `positions` of the attention.

    Returns
    -------
    Tensor of shape (B, T, D)
    """
    (times,) = check_positive(times=times)
    for _ in range(times):
        found = block.attention(query, memory, **seen)
        query = block.attention_norm(query + found)
        query = block.feed_forward_norm(query + block.feed_forward(query))
    return query
