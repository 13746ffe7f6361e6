"""What every scheme of positions offers to a model and to its attentions.

Chapter  chapters/components/attention.ipynb
Tests    tests/components/attention

Shape letters used in this file
    B  sequences in a batch    T  positions    Q  query positions    K  key positions
    D  width of the model      d  width of one head
"""

from torch import Tensor, nn


class PositionScheme(nn.Module):
    """What a model knows of positions: nothing. Each scheme overrides one hook.

    Positions are given as a Tensor of shape (T,), so that a scheme can be stretched
    (scaled positions) and continued (positions that start at the length of a cache).
    """

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """Add what is known of the positions to the inputs (B, T, D) of a model."""
        return x

    def rotate(
        self, query: Tensor, key: Tensor, positions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Turn queries and keys, of shapes (B, heads, T, d) and (B, groups, T, d)."""
        return query, key

    def bias(self, query_positions: Tensor, key_positions: Tensor) -> Tensor | None:
        """Return what is added to the scores, of shape (heads, Q, K), or None."""
        return None
