"""Sound as a sequence: mu-law codes of samples, and frames of a mel spectrogram.

Chapter  chapters/components/tokens.ipynb
Tests    tests/components/tokens

Letters used in this file
    L  samples    T  frames    F = frame/2 + 1  frequencies    M  mel bands

What this file leaves out: the way back from a mel spectrogram. The phases and what
differs inside a band are lost; a vocoder must invent them.

References
    [1] van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016,
        arXiv:1609.03499, section 2.2
    [2] Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision",
        2022, arXiv:2212.04356, section 2.2
"""

import math

import torch
from torch import Tensor

from genai_lib.checks import (
    check_above_zero,
    check_floating,
    check_positive,
    check_whole,
    describe,
    is_whole_dtype,
)

FLOOR = 1e-10


def mu_law(values: Tensor, mu: float, largest: float = 1.0) -> Tensor:
    """Map -M to M onto -1 to 1: F(x) = sign(x) ln(1 + μ|x|) / ln(1 + μM) [1].

    Small magnitudes get most of the range.

    Parameters
    ----------
    values : floating-point Tensor of any shape
    mu : float
    largest : float, default=1
        M.
    """
    check_floating("values", values)
    mu, largest = check_above_zero(mu=mu, largest=largest)
    scale = math.log1p(mu * largest)
    return values.sign() * torch.log1p(mu * values.abs()) / scale


def inverse_mu_law(compressed: Tensor, mu: float, largest: float = 1.0) -> Tensor:
    """Invert `mu_law`: |x| = ((1 + μM)^|F| - 1) / μ."""
    check_floating("compressed", compressed)
    mu, largest = check_above_zero(mu=mu, largest=largest)
    scale = math.log1p(mu * largest)
    return compressed.sign() * torch.expm1(compressed.abs() * scale) / mu


def mu_law_encode(sound: Tensor, mu: int = 255) -> Tensor:
    """Round F(x) = sign(x) ln(1 + μ|x|) / ln(1 + μ) to μ + 1 equal steps [1].

    Parameters
    ----------
    sound : floating-point Tensor of any shape, from -1 to 1
    mu : int, default=255

    Returns
    -------
    int64 Tensor of the shape of `sound`
        From 0 for -1 to `mu` for 1.

    Raises
    ------
    ValueError
        If `sound` is not a floating-point tensor, or has a value outside -1 to 1:
        nothing is clipped.

    >>> mu_law_encode(torch.tensor([-1.0, -0.01, 0.0, 0.01, 1.0]))
    tensor([  0,  98, 128, 157, 255])
    """
    check_floating("sound", sound)
    (mu,) = check_positive(mu=mu)
    if not (sound.abs() <= 1).all():
        raise ValueError("sound has a value outside -1 to 1: scale it first")
    # Half precision cannot represent all steps.
    sound = sound.to(torch.promote_types(sound.dtype, torch.float32))
    compressed = mu_law(sound, mu)
    return ((compressed + 1) / 2 * mu + 0.5).floor().long()


def mu_law_decode(codes: Tensor, mu: int = 255) -> Tensor:
    """Invert F at the middle of each step: float32, of the shape of `codes`.

    The result differs from the sound by at most half a step of F. Silence, 0, lies
    between two steps and comes back as a value of about 0.0001.

    Raises
    ------
    ValueError
        If `codes` are not integers from 0 to `mu`.
    """
    (mu,) = check_positive(mu=mu)
    if not isinstance(codes, Tensor) or not is_whole_dtype(codes.dtype):
        raise ValueError(f"codes={describe(codes)}: a tensor of integers is needed")
    if not ((codes >= 0) & (codes <= mu)).all():
        raise ValueError(f"codes must be from 0 to {mu}")
    return inverse_mu_law(2 * codes / mu - 1, mu)


def mel_filters(sample_rate: int, frame: int, mels: int) -> Tensor:
    """Return a mel filter bank: triangular filters, equally spaced in mel.

    The scale is m = 2595 log10(1 + f/700). Neighbouring triangles overlap by half and
    have the height 1.

    Returns
    -------
    float32 Tensor of shape (M, F)

    Raises
    ------
    ValueError
        If a size is not a whole number above 0, or a band so narrow that it holds no
        frequency of the frame.
    """
    sample_rate, frame, mels = check_positive(
        sample_rate=sample_rate, frame=frame, mels=mels
    )
    highest = 2595 * math.log10(1 + sample_rate / 2 / 700)
    mel = torch.linspace(0, highest, mels + 2, dtype=torch.float64)
    edges = (700 * (10 ** (mel / 2595) - 1))[:, None]  # (M + 2, 1)
    frequencies = torch.linspace(0, sample_rate / 2, frame // 2 + 1).double()  # (F,)
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    filters = torch.minimum(rising, falling).clamp(min=0)  # (M, F)
    if (filters.sum(dim=-1) == 0).any():
        raise ValueError(
            f"mels={mels} must give each band a frequency of frame={frame} samples"
        )
    return filters.float()


def log_mel(
    sound: Tensor,
    sample_rate: int = 16_000,
    frame: int = 400,
    hop: int = 160,
    mels: int = 40,
) -> Tensor:
    """Compute log10 of the power in mel bands, one token for each frame [2].

    Parameters
    ----------
    sound : floating-point Tensor of shape (..., L)
    sample_rate : int, default=16_000
        Samples per second.
    frame, hop : int, default=400 and 160
        Samples in a frame, and from the start of one frame to that of the next.
        Frames lie within the sound: nothing is padded.
    mels : int, default=40

    Returns
    -------
    Tensor of shape (..., T, M)
        T = 1 + (L - frame) // hop. No value is below log10 of 1e-10.

    Raises
    ------
    ValueError
        If the sound is shorter than a frame, or a size does not fit.
    """
    check_floating("sound", sound)
    (frame,), (hop,) = check_whole(2, None, frame=frame), check_positive(hop=hop)
    if sound.ndim == 0 or frame > sound.shape[-1]:
        raise ValueError(f"sound={describe(sound)} is shorter than frame={frame}")
    filters = mel_filters(sample_rate, frame, mels).to(sound)
    window = torch.hann_window(frame, dtype=sound.dtype, device=sound.device)
    frames = sound.unfold(-1, frame, hop) * window  # (..., T, frame)
    power = torch.fft.rfft(frames).abs() ** 2  # (..., T, F)
    return (power @ filters.mT).clamp(min=FLOOR).log10()
