"""The rule of the sign ≈: how the numbers of an output are compared.

A number after the sign ≈ was measured; every other character is exact.

=====================  ======================================================
written                means
=====================  ======================================================
``0.973``              exact
``≈ 0.973``            measured
``≈ [0.12, 0.34]``     a list, also nested, of measured numbers
=====================  ======================================================

On the class of processor that stored the notebook (:mod:`tools.processor`) two
measured numbers a and b agree when ``|a - b| <= 0.1 * max(|a|, |b|) + 1e-9``: what is
smaller than 1e-9 counts as zero.  ``nan`` agrees with ``nan`` alone, an infinite number
with itself alone.  On any other class a measured number is true when it lies in the
interval that :func:`interval` makes of what the seeds of the evidence gave.  Where a
text has a measured number, runs of blanks and of ruling lines count as one, because
columns follow their widest number.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TOLERANCE = 0.10
ZERO = 1e-9

SIGN = re.compile(r"≈[ \t]*")
NUMBER = re.compile(
    r"[-+−]?(?:"
    r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?"
    r"|\.\d+(?:[eE][-+]?\d+)?"
    r"|(?:nan|inf)(?![A-Za-z])"
    r"|∞)"
)
NUMBER_IN_LIST = re.compile(
    r"[-+−]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(?:nan|inf)(?![A-Za-z])|∞)"
)
BETWEEN_NUMBERS = re.compile(r"[\s,\[\]]*")


@dataclass(frozen=True)
class Measured:
    """A measured number or list in a text.

    Attributes
    ----------
    start, end : int
        Where it stands, the sign ≈ included.
    numbers : tuple of str
        The numbers as written.
    mask : str
        What stands in its place while the exact rest is compared.
    """

    start: int
    end: int
    numbers: tuple[str, ...]
    mask: str


def find(text: str) -> Iterator[Measured]:
    """Yield the measured numbers and lists of ``text`` in order."""
    position = 0
    while sign := SIGN.search(text, position):
        position = sign.end()
        end = _end_of_value(text, position)
        if end is None:
            continue
        body = text[position:end]
        pattern = NUMBER_IN_LIST if body.startswith("[") else NUMBER
        yield Measured(
            start=sign.start(),
            end=end,
            numbers=tuple(pattern.findall(body)),
            mask="≈ " + _mask_of(body, pattern),
        )
        position = end


def values(text: str) -> list[float]:
    """Return the measured numbers of ``text`` in order.

    >>> values("loss ≈ 0.5 after 100 steps, ≈ [1.5, −2]")
    [0.5, 1.5, -2.0]
    """
    return [_value(number) for one in find(text) for number in one.numbers]


def mask(text: str) -> str:
    """Return ``text`` with its measured numbers hidden and its layout evened out."""
    parts, position = [], 0
    for measured in find(text):
        parts += [text[position : measured.start], measured.mask]
        position = measured.end
    if not parts:
        return text
    return _even_layout("".join(parts) + text[position:])


def differences(stored: str, new: str) -> list[str]:
    """Compare the measured numbers of two texts pairwise.

    Parameters
    ----------
    stored, new : str
        The output in the notebook and the output of this run.

    Returns
    -------
    list of str
        One line for each number that left its tolerance; empty when all agree.
    """
    old, fresh = values(stored), values(new)
    if len(old) != len(fresh):
        return [f"stored {len(old)} numbers after ≈, now {len(fresh)}"]
    return [
        f"stored ≈ {before:g}, now ≈ {after:g} (allowed: {TOLERANCE:.0%} apart)"
        for before, after in zip(old, fresh, strict=True)
        if not agree(before, after)
    ]


def agree(a: float, b: float, tolerance: float = TOLERANCE) -> bool:
    """Tell whether two measured numbers agree within ``tolerance``."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if math.isinf(a) or math.isinf(b):
        return a == b
    return abs(a - b) <= tolerance * max(abs(a), abs(b)) + ZERO


def interval(seeds: Sequence[float]) -> tuple[float, float] | None:
    """Return the interval of a measured number on another class of processor.

    What training gives there varies as it does with another seed. The interval is
    what the seeds gave, widened on either side by twice their range (greatest minus
    least) or by 10 % of their middle, whichever is more.

    Parameters
    ----------
    seeds : sequence of float
        The number as each seed of the evidence printed it.

    Returns
    -------
    tuple of float or None
        Least and greatest; None where the seeds differ by more than half their
        middle or are not all finite: such a number is not compared.

    >>> interval([1.0, 1.0, 1.0])
    (0.9, 1.1)
    >>> interval([0.1, 0.9]) is None
    True
    """
    if not all(math.isfinite(value) for value in seeds):
        return None
    least, greatest = min(seeds), max(seeds)
    middle, reach = abs(least + greatest) / 2, greatest - least
    if reach > middle / 2 + ZERO:
        return None
    margin = max(2 * reach, TOLERANCE * middle)
    return least - margin, greatest + margin


def may_lie_outside(compared: int) -> int:
    """Return how many of a notebook's numbers may miss their intervals.

    >>> may_lie_outside(20), may_lie_outside(200)
    (1, 4)
    """
    return max(1, compared * 2 // 100)


def _value(number: str) -> float:
    return float(number.replace(",", "").replace("−", "-").replace("∞", "inf"))


def _end_of_value(text: str, start: int) -> int | None:
    if text.startswith("[", start):
        return _end_of_list(text, start)
    number = NUMBER.match(text, start)
    return number.end() if number else None


def _end_of_list(text: str, start: int) -> int | None:
    depth = 0
    for end, character in enumerate(text[start:], start + 1):
        depth += {"[": 1, "]": -1}.get(character, 0)
        if depth == 0:
            rest = NUMBER_IN_LIST.sub("", text[start:end])
            return end if BETWEEN_NUMBERS.fullmatch(rest) else None
    return None


def _mask_of(body: str, pattern: re.Pattern[str]) -> str:
    return re.sub(r"\s*([\[\],])\s*", r"\1 ", pattern.sub("#", body)).strip()


def _even_layout(text: str) -> str:
    text = re.sub(r"([-=─━═])\1+", r"\1", text)
    text = re.sub(r"[ \t]+", " ", text)
    return re.sub(r" ?\n ?", "\n", text).strip(" ")
