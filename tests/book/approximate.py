"""The rule of the sign ≈: which numbers of an output are compared how.

A number after the sign ≈ was measured; every other character is exact.

=====================  ======================================================
written                compared
=====================  ======================================================
``0.973``              exactly
``≈ 0.973``            within 10 %
``≈±30% 12.1``         within 30 %
``≈ [0.12, 0.34]``     a list, also nested, every number within 10 %
=====================  ======================================================

Two numbers a and b agree within t when ``|a - b| <= t * max(|a|, |b|) + 1e-9``:
what is smaller than 1e-9 counts as zero.  ``nan`` agrees with ``nan`` alone,
an infinite number with itself alone.  Where a text has a measured number, runs of
blanks and of ruling lines count as one, because columns follow their widest number.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

TOLERANCE = 0.10
ZERO = 1e-9

SIGN = re.compile(r"≈[ \t]*(?:±[ \t]*(?P<percent>\d+(?:\.\d+)?)[ \t]*%[ \t]*)?")
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
    tolerance : float
        The greatest relative difference allowed.
    numbers : tuple of str
        The numbers as written.
    mask : str
        What stands in its place while the exact rest is compared.
    """

    start: int
    end: int
    tolerance: float
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
        percent = sign["percent"]
        yield Measured(
            start=sign.start(),
            end=end,
            tolerance=TOLERANCE if percent is None else float(percent) / 100,
            numbers=tuple(pattern.findall(body)),
            mask=sign[0].strip() + " " + _mask_of(body, pattern),
        )
        position = end


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
    old, fresh = list(find(stored)), list(find(new))
    tolerances = [m.tolerance for m in old for _ in m.numbers]
    numbers, new_numbers = _numbers(old), _numbers(fresh)
    if len(numbers) != len(new_numbers):
        return [f"stored {len(numbers)} numbers after ≈, now {len(new_numbers)}"]
    problems = []
    for before, after, tolerance in zip(numbers, new_numbers, tolerances, strict=True):
        if not agree(_value(before), _value(after), tolerance):
            problems.append(
                f"stored ≈ {before}, now ≈ {after} (allowed: {tolerance:.0%} apart)"
            )
    return problems


def agree(a: float, b: float, tolerance: float = TOLERANCE) -> bool:
    """Tell whether two measured numbers agree within ``tolerance``."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if math.isinf(a) or math.isinf(b):
        return a == b
    return abs(a - b) <= tolerance * max(abs(a), abs(b)) + ZERO


def _numbers(measured: list[Measured]) -> list[str]:
    return [number for one in measured for number in one.numbers]


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
