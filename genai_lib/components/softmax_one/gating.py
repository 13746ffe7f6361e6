"""Gated attention: a sigmoid gate on the output of each head.

Chapter  chapters/components/softmax_one.ipynb
Tests    tests/components/softmax_one

Shape letters used in this file
    B  sequences in a batch      Q  query positions      K  key positions
    D  width of the model      d  width of one head

References
    [1] Bondarenko et al., "Quantizable Transformers: Removing Outliers by Helping
        Attention Heads Do Nothing", 2023, arXiv:2306.12929
    [2] Qiu et al., "Gated Attention for Large Language Models", 2025,
        arXiv:2505.06708
"""

import math

import torch
from torch import Tensor, nn

from genai_lib.checks import check_floating, check_real, describe
from genai_lib.components.attention import (
    KeyValueCache,
    KeyValues,
    MultiHeadAttention,
    Normalizer,
    PositionalEncoding,
)
from genai_lib.components.softmax import softmax


def gate(output: Tensor, logits: Tensor) -> Tensor:
    """Multiply an output by a sigmoid gate: σ(logits) · output [1, eq. 5].

    Parameters
    ----------
    output : floating-point Tensor of any shape
    logits : floating-point Tensor broadcastable to `output`
        -∞ closes the gate, +∞ opens it.

    Returns
    -------
    Tensor of the shape of `output`

    >>> gate(torch.tensor([8.0, 8.0]), torch.tensor([0.0, -math.inf]))
    tensor([4., 0.])
    """
    check_floating("output", output)
    check_floating("logits", logits)
    try:
        fits = torch.broadcast_shapes(output.shape, logits.shape) == output.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"logits={describe(logits)} must broadcast to output={describe(output)}"
        )
    return torch.sigmoid(logits) * output


class GatedAttention(MultiHeadAttention):
    """Multi-head attention with a gate on each head, computed from the query's input.

    For each position and head the gate is one number, σ(G x) [1, §4.2; 2, head-wise].

    Parameters
    ----------
    width, heads, normalize, positional_encoding, bias
        As in `MultiHeadAttention`.
    initial_gate : float, default=0.5
        The value of the gates before training, on average; above 0 and below 1.

    Raises
    ------
    ValueError
        As `MultiHeadAttention`, and if `initial_gate` is out of its range.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        normalize: Normalizer = softmax,
        positional_encoding: PositionalEncoding | None = None,
        bias: bool = True,
        initial_gate: float = 0.5,
    ) -> None:
        super().__init__(
            width,
            heads,
            normalize=normalize,
            positional_encoding=positional_encoding,
            bias=bias,
        )
        wanted = "above 0 and below 1"
        (start,) = check_real(wanted, lambda x: 0 < x < 1, initial_gate=initial_gate)
        self.to_gate = nn.Linear(width, heads)
        nn.init.constant_(self.to_gate.bias, math.log(start / (1 - start)))

    def forward(
        self,
        x: Tensor,
        memory: Tensor | KeyValues | None = None,
        *,
        mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """Map (B, Q, D) to (B, Q, D); the arguments are those of the base class."""
        found = self.mix(x, memory, mask=mask, positions=positions, cache=cache)
        logits = self.to_gate(x).mT.unsqueeze(-1)  # (B, heads, Q, 1)
        passed = gate(found, logits).transpose(-3, -2)  # (B, Q, heads, d)
        return self.to_output(passed.flatten(-2))  # (B, Q, D)
