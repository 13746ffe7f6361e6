"""Numbers as tokens: compressed by a μ-law, cut into 1,024 bins, after the text.

Chapter  chapters/genres/gato.ipynb
Tests    tests/genres/gato

Letters used in this file
    V  tokens of text, 32,000 in the paper    ...  any dimensions

Unlike the paper, which clips compressed values beyond ±1, this file raises an error,
because a clipped number cannot be decoded.

References
    [1] Reed et al., "A Generalist Agent", 2022, arXiv:2205.06175, section 2.1
"""

from torch import Tensor

from genai_lib.checks import as_id_tensor, as_whole, check_floating, check_positive
from genai_lib.components.tokens import inverse_mu_law, mu_law

MU, LARGEST = 100, 256  # μ and M of the paper
BINS = 1024
TEXT_SIZE = 32_000


def mu_law_compress(values: Tensor) -> Tensor:
    """Compress -256 to 256 to -1 to 1: F(x) = sign(x) ln(μ|x| + 1) / ln(μM + 1) [1].

    The slope is largest near 0. The result is float64.

    >>> mu_law_compress(Tensor([-256.0, 0.0, 256.0])).tolist()
    [-1.0, 0.0, 1.0]
    """
    values = _in_range("values", values, LARGEST)
    return mu_law(values, MU, LARGEST)


def mu_law_expand(compressed: Tensor) -> Tensor:
    """Invert `mu_law_compress`; float64."""
    compressed = _in_range("compressed", compressed, 1)
    return inverse_mu_law(compressed, MU, LARGEST)


def bounded_to_tokens(values: Tensor, text_size: int = TEXT_SIZE) -> Tensor:
    """Return the token of each value in -1 to 1: its bin, shifted to V to V + 1023.

    Parameters
    ----------
    values : floating-point Tensor of shape (...)
    text_size : int, default=32_000
        V, the shift of the bins.

    Returns
    -------
    int64 Tensor of shape (...)

    Raises
    ------
    ValueError
        If a value is not finite or outside -1 to 1.
    """
    check_positive(text_size=text_size)
    values = _in_range("values", values, 1)
    bins = ((values + 1) / 2 * BINS).floor().long()
    bins = bins.clamp(max=BINS - 1)  # 1 itself belongs to the last bin
    return bins + as_whole(text_size)


def tokens_to_bounded(tokens: Tensor, text_size: int = TEXT_SIZE) -> Tensor:
    """Return the middle of each bin, float64: at most 1/1024 from the encoded value."""
    return (_bins(tokens, text_size) + 0.5) / BINS * 2 - 1


def continuous_to_tokens(values: Tensor, text_size: int = TEXT_SIZE) -> Tensor:
    """Return the token of each value in -256 to 256, compressed by the μ-law [1].

    Parameters
    ----------
    values : floating-point Tensor of shape (...), from -256 to 256
    text_size : int, default=32_000
        V, the shift of the bins.

    Returns
    -------
    int64 Tensor of shape (...)

    Raises
    ------
    ValueError
        If a value is not finite or outside -256 to 256: nothing is clipped.

    >>> continuous_to_tokens(Tensor([-256.0, -0.01, 0.0, 0.01, 256.0])).tolist()
    [32000, 32477, 32512, 32546, 33023]
    """
    return bounded_to_tokens(mu_law_compress(values), text_size)


def tokens_to_continuous(tokens: Tensor, text_size: int = TEXT_SIZE) -> Tensor:
    """Return the number whose compressed value is the middle of the bin; float64.

    It lies in the same bin as the encoded number; see `bin_edges`.

    Raises
    ------
    ValueError
        If `tokens` are not integers from V to V + 1023.
    """
    return mu_law_expand(tokens_to_bounded(tokens, text_size))


def bin_edges(tokens: Tensor, text_size: int = TEXT_SIZE) -> tuple[Tensor, Tensor]:
    """Return the lower and the upper edge of each token's bin; float64."""
    bins = _bins(tokens, text_size)
    low, high = bins / BINS * 2 - 1, (bins + 1) / BINS * 2 - 1
    return mu_law_expand(low), mu_law_expand(high)


def _bins(tokens: Tensor, text_size: int) -> Tensor:
    check_positive(text_size=text_size)
    tokens = as_id_tensor("tokens", tokens)
    bins = tokens.double() - as_whole(text_size)
    if not ((bins >= 0) & (bins < BINS)).all():
        raise ValueError(
            f"tokens from {tokens.min()} to {tokens.max()} must be from {text_size} "
            f"to {text_size + BINS - 1}"
        )
    return bins


def _in_range(name: str, values: Tensor, limit: float) -> Tensor:
    check_floating(name, values)
    outside = ~(values.abs() <= limit)  # true for NaN too
    if outside.any():
        raise ValueError(
            f"{name} hold {values[outside][0].item():g}, outside -{limit} to {limit}"
        )
    return values.double()
