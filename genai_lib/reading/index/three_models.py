"""The figure of the front page: three models continue one beginning.

Page     chapters/index.md
Tests    tests/reading/index/test_three_models.py

The texts and numbers are those of stored/three_models.json.
"""

import functools
import json
from pathlib import Path

from genai_lib.live.explorer import Explorer, explore
from genai_lib.live.passages import Passage

PATH = Path(__file__).with_name("stored") / "three_models.json"
SPACE = "\u00a0"  # a line must not end before a number's value


@functools.lru_cache(maxsize=1)
def stored() -> dict[str, dict]:
    """Read the measures of the models, and the texts that they wrote."""
    return json.loads(PATH.read_text(encoding="utf-8"))


def introductions() -> dict[str, tuple[str, str]]:
    """Return for each model a title, and a line with its size and its measures."""
    grammar, counts, gpt = stored()["models"].values()
    possible = f"only {grammar['possible']}" if grammar["possible"] else "none"
    return {
        "grammar": (
            "Hand-written grammar",
            f"{grammar['rules']} rules. Held-out text: ∞ bits per character, as it "
            f"can write {possible} of the {grammar['held out']} sentences there.",
        ),
        "counts": (
            f"{counts['order']}-gram, counted",
            f"Kneser-Ney counts of what came after which {counts['order'] - 1} "
            f"characters, in {counts['characters']:,} characters of documentation. "
            f"{_measured(counts)}",
        ),
        "GPT": (
            "GPT, trained",
            f"A network of {gpt['parameters']:,} parameters, trained on the same "
            f"text; it looks back up to {gpt['context']} characters. {_measured(gpt)}",
        ),
    }


def _measured(model: dict[str, float]) -> str:
    bits, share = f"{model['bits']:.2f}", f"{100 * model['known']:.0f}"
    return (
        f"Held-out text: ≈{SPACE}{bits} bits per character. Of its words here, "
        f"≈{SPACE}{share}{SPACE}% occur in the text it learned from."
    )


def continuations(beginning: str, sample: int) -> list[Passage]:
    """Return what the three models wrote after a beginning.

    Parameters
    ----------
    beginning : str
        One of those stored.
    sample : int
        From 1.
    """
    written = stored()["samples"][beginning][sample - 1]
    return [
        Passage(*introduction, beginning, written[name])
        for name, introduction in introductions().items()
    ]


def described(beginning: str, sample: int) -> str:
    """Return the alternative text: the three texts, one sentence each."""
    texts = continuations(beginning, sample)
    said = [f"{passage.title}: “{beginning}{passage.text}”" for passage in texts]
    return f"Three texts that begin with “{beginning}”. " + " ".join(said)


def three_models() -> Explorer:
    """Show how a grammar, an n-gram and a GPT continue the same beginning."""
    samples = stored()["samples"]
    count = min(map(len, samples.values()))
    return explore(
        continuations,
        name="three_models",
        caption=(
            "In bold the beginning, then what each model drew from its own "
            "distribution, unedited. Choose another beginning, or move the slider to "
            "draw again. An ellipsis stands where a text was broken off, line breaks "
            "are shown as spaces."
        ),
        alt=described,
        labels={"beginning": "beginning", "sample": "draw"},
        beginning=list(samples),
        sample=list(range(1, count + 1)),
    )
