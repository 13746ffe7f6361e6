"""Training and evaluation: shifted targets, label smoothing, exact match.

Chapter  chapters/genres/encoder_decoder.ipynb
Tests    tests/genres/encoder_decoder

Shape letters used in this file
    B  sequences in a batch    T  positions of the target    V  tokens in the vocabulary

References
    [1] Szegedy et al., "Rethinking the Inception Architecture for Computer Vision",
        2015, arXiv:1512.00567
    [2] Raffel et al., "Exploring the Limits of Transfer Learning with a Unified
        Text-to-Text Transformer", 2019, arXiv:1910.10683
"""

import torch
from torch import Tensor, nn

from genai_lib.checks import (
    can_be_read,
    check_above_zero,
    check_floating,
    check_numbers,
    check_positive,
    check_real,
    check_whole,
    describe,
)
from genai_lib.genres.encoder_decoder.config import check_padding
from genai_lib.genres.inference import generate


def shift_right(target: Tensor, start_token: int = 0) -> Tensor:
    """Return the decoder's input: the start token, then all but the last of the target.

    >>> shift_right(torch.tensor([[5, 6, 1]])).tolist()
    [[0, 5, 6]]
    """
    check_numbers("target", target)
    (start_token,) = check_whole(0, None, start_token=start_token)
    start = torch.full_like(target[:, :1], start_token)
    return torch.cat([start, target[:, :-1]], dim=1)


def smoothed_cross_entropy(
    logits: Tensor, target: Tensor, smoothing: float = 0.0, pad_token: int = 0
) -> Tensor:
    """Return the mean cross-entropy with label smoothing, padding left out.

    The right token keeps 1 - ε of the label; ε is spread evenly over all V tokens
    [1, §7].

    Parameters
    ----------
    logits : floating-point Tensor of shape (B, T, V)
    target : int64 Tensor of shape (B, T)
    smoothing : float, default=0
        ε, from 0 to below 1.
    pad_token : int, default=0

    Returns
    -------
    Tensor of shape ()
        In nats.

    Raises
    ------
    ValueError
        If a shape is wrong, a token is unknown, or all of them are padding.
    """
    _check_target(logits, target)
    wanted = "at least 0 and below 1"
    (epsilon,) = check_real(wanted, lambda x: 0 <= x < 1, smoothing=smoothing)
    (pad_token,) = check_whole(None, None, pad_token=pad_token)
    real = target != pad_token
    if can_be_read(real) and not real.any():
        raise ValueError(
            f"target={describe(target)} holds only padding, pad_token={pad_token}: "
            "there is nothing to average over"
        )
    logs = logits.log_softmax(dim=-1)
    label = -logs.gather(-1, target[..., None])[..., 0]  # (B, T)
    losses = (1 - epsilon) * label
    if epsilon:  # a logit of -∞ would make 0 · ∞
        losses = losses - epsilon * logs.mean(dim=-1)
    return losses[real].mean()


def _check_target(logits: Tensor, target: Tensor) -> None:
    check_floating("logits", logits)
    if not isinstance(target, Tensor) or target.shape != logits.shape[:-1]:
        raise ValueError(
            f"target={describe(target)} must have the shape of "
            f"logits={describe(logits)} without its last dimension"
        )
    if target.dtype != torch.int64:
        raise ValueError(f"target={describe(target)} must be int64")
    size = logits.shape[-1]
    if target.numel() and not 0 <= target.min() <= target.max() < size:
        raise ValueError(
            f"target from {target.min()} to {target.max()} must be from 0 to {size - 1}"
        )


def translation_loss(model: nn.Module, batch: tuple, smoothing: float = 0.0) -> Tensor:
    """Compute the loss with teacher forcing: the decoder reads the right past.

    Parameters
    ----------
    model : nn.Module
        Maps a source and a shifted target to logits, and has a `config`.
    batch : pair of int64 Tensors of shapes (B, S) and (B, T)
    smoothing : float, default=0

    Raises
    ------
    ValueError
        If a target has padding before its last token, or there is only padding.
    """
    source, target = batch
    config = model.config
    check_padding("target", target, config.pad_token)
    logits = model(source, shift_right(target, config.start_token))
    return smoothed_cross_entropy(logits, target, smoothing, config.pad_token)


def parameter_groups(
    model: nn.Module, learning_rate: float, faster: float = 10.0
) -> list[dict]:
    """Return parameter groups in which embedding tables have a larger learning rate.

    Adam moves every weight about equally far in a step. But token embeddings are of
    size 1, and the position biases must grow from near 0 to several units; the
    matrices are far smaller. T5 was trained with Adafactor [2], whose steps are in
    proportion to the weights.

    Parameters
    ----------
    model : nn.Module
    learning_rate : float
        Of the matrices.
    faster : float, default=10.0
        The factor by which the learning rate of the tables is larger.

    Returns
    -------
    list of dict
        Two groups for an optimizer, the tables last.
    """
    rates = check_above_zero(learning_rate=learning_rate, faster=faster)
    learning_rate, faster = rates
    modules = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    tables = list(dict.fromkeys(module.weight for module in modules))
    others = [w for w in model.parameters() if not any(w is t for t in tables)]
    return [
        {"params": others, "lr": learning_rate},
        {"params": tables, "lr": faster * learning_rate},
    ]


def greedy_decode(model: nn.Module, source: Tensor, max_new_tokens: int) -> Tensor:
    """Return the greedy translation of each source: the most probable token each time.

    Parameters
    ----------
    model : module with `conditioned_on` and `config`
    source : int64 Tensor of shape (B, S)
    max_new_tokens : int
        The maximal length of a translation.

    Returns
    -------
    int64 Tensor of shape (B, N), N at most `max_new_tokens`
        After its first end token a row is filled up with end tokens.

    Raises
    ------
    ValueError
        If the logits of a token hold NaN or infinity.
    """
    (max_new_tokens,) = check_positive(max_new_tokens=max_new_tokens)
    config = model.config
    prompt = source.new_full((len(source), 1), config.start_token)
    steps = generate(
        model.conditioned_on(source),
        prompt,
        max_new_tokens,
        temperature=0.0,
        end_token=config.end_token,
    )
    return torch.stack(list(steps), dim=1)


def exact_matches(model: nn.Module, source: Tensor, target: Tensor) -> Tensor:
    """Return for each source (B, S) whether its translation equals the target (B, T).

    Returns
    -------
    bool Tensor of shape (B,)

    Raises
    ------
    ValueError
        If a target has padding before its last token.
    """
    config = model.config
    check_padding("target", target, config.pad_token)
    found = greedy_decode(model, source, target.shape[1])
    wanted = target.masked_fill(target == config.pad_token, config.end_token)
    if found.shape[1] < wanted.shape[1]:  # all translations ended early
        missing = wanted.shape[1] - found.shape[1]
        found = nn.functional.pad(found, (0, missing), value=config.end_token)
    return (found == wanted).all(dim=1)
