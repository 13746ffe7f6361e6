"""Claims: sentences of the book that a run could refute.

A claim prints one line, raises when it does not hold, and leaves a record in the
metadata of its output, from which the ledger is made. With GENAI_CLAIMS=record, or at
another scale than "cpu", it records a failure instead of raising, so that a run over
several seeds goes on to the end.
"""

import html
import math
import os

from IPython.display import publish_display_data

VERDICTS = (
    "proved",
    "reproduced",
    "reproduced in miniature",
    "measured here",
    "did not reproduce at this scale",
    "not tested",
)
# Verdicts of claims whose statement is not shown, even where the bound holds.
OPEN = VERDICTS[4:]
LIMITS = ("at_least", "at_most", "close_to", "within")


class ClaimFailed(AssertionError):
    """A claim of the text does not hold in this run."""


def approximately(value: float) -> str:
    """Write a measured number with three digits and the sign that marks it.

    What training gives differs from one processor to another, so the tests compare a
    number after this sign within what it may differ by.

    >>> approximately(0.97312)
    '≈ 0.973'
    """
    return f"≈ {value:.3g}"


def holds(
    value: float,
    at_least: float | None = None,
    at_most: float | None = None,
    close_to: float | None = None,
    within: float | None = None,
) -> bool:
    """Say whether a value is within the bounds of a `claim`; NaN never is.

    >>> holds(0.5, at_least=0.4), holds(0.5, close_to=1.0, within=0.1)
    (True, False)
    """
    return not math.isnan(value) and all(
        (
            at_least is None or value >= at_least,
            at_most is None or value <= at_most,
            close_to is None or abs(value - close_to) <= within,
        )
    )


def claim(
    name: str,
    text: str,
    value: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    close_to: float | None = None,
    within: float | None = None,
    source: str | None = None,
    reported: str | None = None,
    verdict: str | None = None,
) -> None:
    """Check one measured number against its bound, print the outcome and record it.

    Parameters
    ----------
    name : str
        A slug, unique in the notebook.
    text : str
        The claim as a sentence without its number.
    value : float
        What this run measured; with NaN the claim fails.
    at_least, at_most : float, default=None
        The bound or bounds.
    close_to, within : float, default=None
        Together: the value and the largest distance from it.
    source, reported : str, default=None
        Whose claim it is (a key of references.bib) and what was reported there.
    verdict : str, default="reproduced in miniature"
        One of `VERDICTS`: what holding means.

    Raises
    ------
    ClaimFailed
        If the value misses its bound. With GENAI_CLAIMS=record, or at another scale
        than "cpu", for which the bounds were not made, it is recorded instead.
    ValueError
        If the claim is not well formed.
    """
    verdict = verdict or "reproduced in miniature"
    limits = (at_least, at_most, close_to, within)
    bound = _bound(*limits)
    _check(name, text, verdict, close_to, within, bound)
    value = float(value)
    held = holds(value, *limits)
    line = _line(held, text, approximately(value), bound, reported, source)
    record = {
        "name": name,
        "text": text,
        "value": value,
        "bound": bound,
        **dict(zip(LIMITS, limits, strict=True)),
        "holds": held,
        "verdict": verdict,
        "source": source,
        "reported": reported,
    }
    state = "open" if not held or verdict in OPEN else "closed"
    shown = f"<p class='genai-claim' data-state='{state}'>{html.escape(line)}</p>"
    publish_display_data(
        {"text/plain": line, "text/html": shown}, metadata={"genai_claim": record}
    )
    if not held and _bounds_apply():
        raise ClaimFailed(f"{name}: {line}")


def _bounds_apply() -> bool:
    recording = os.environ.get("GENAI_CLAIMS") == "record"
    return not recording and os.environ.get("GENAI_SCALE", "cpu") == "cpu"


def _line(held, text, shown, bound, reported, source) -> str:
    paper = f"; the paper reports {reported}" if reported else ""
    key = f" [{source}]" if source else ""
    return f"{'✓' if held else '✗'} {text}: {shown} ({bound}{paper}{key})"


def _bound(at_least, at_most, close_to, within) -> str:
    parts = []
    if at_least is not None:
        parts.append(f"at least {at_least:g}")
    if at_most is not None:
        parts.append(f"at most {at_most:g}")
    if close_to is not None and within is not None:
        parts.append(f"within {within:g} of {close_to:g}")
    return " and ".join(parts)


def _check(name, text, verdict, close_to, within, bound) -> None:
    if not name or any(not (c.isalnum() or c in "-_") for c in name):
        raise ValueError(f"name={name!r} must be a slug of letters, digits, - and _")
    if not text:
        raise ValueError(f"claim {name!r} has no text")
    if (close_to is None) != (within is None):
        raise ValueError(f"claim {name!r}: close_to and within go together")
    if not bound:
        raise ValueError(f"claim {name!r} has no bound, so nothing could refute it")
    if verdict not in VERDICTS:
        raise ValueError(f"verdict={verdict!r} must be one of {VERDICTS}")
