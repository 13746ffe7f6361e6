"""The first figure of the book: the next word's probabilities as the temperature moves.

Tests    tests/reading/index/test_temperature.py
"""

from genai_lib.live.charts import alt
from genai_lib.live.distribution import (
    bars,
    distribution,
    entropy_text,
    temperature_slider,
)
from genai_lib.live.figure import LiveFigure

HEIGHT = 200
WORD_LOGITS = {
    "mat": 4.0,
    "sofa": 3.1,
    "roof": 2.2,
    "keyboard": 1.4,
    "moon": -0.5,
    "theorem": -2.0,
}


def temperature() -> LiveFigure:
    """Show the next word's probabilities while the temperature moves.

    Returns
    -------
    LiveFigure
        Its numbers are the probabilities, by word, and "entropy" in nats.
    """
    words = list(WORD_LOGITS)
    panel = alt.layer(*bars(words), entropy_text()).properties(
        title="The cat sat on the …", height=HEIGHT
    )
    return LiveFigure(
        [panel],
        [temperature_slider()],
        derived=distribution([repr(logit) for logit in WORD_LOGITS.values()]),
        caption=(
            "Move θ. At 0 only the likeliest word is left; at ∞ every word is as "
            "likely as any other. The six logits behind the bars are written by hand."
        ),
        alt=(
            "Bars of the probability of six next words at temperature 1: mat leads, "
            "then sofa, roof, keyboard, moon and theorem."
        ),
        name="temperature",
    )
