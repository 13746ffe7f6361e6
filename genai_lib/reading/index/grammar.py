"""A hand-written grammar of sentences like those of a documentation.

It was written without the documentation. Every rule lists what its name may become; a
word in angle brackets is the name of another rule. Some rules are recursive, as in "the
output of a tool that returns the output of a tool", so there is no longest sentence.

Tests    tests/reading/index/test_stored.py
"""

import functools
import re
from random import Random

RULES = {
    "sentence": ["<statement>.", "<statement> when <state>.", "if <state>, <action>."],
    "statement": ["<action>", "<state>"],
    "action": ["<tool> <does>", "<tool> <does> and <does>"],
    "state": ["<one> is <quality>", "<many> are <quality>"],
    "tool": ["the estimator", "this function", "the model", "a tool that <does>"],
    "does": ["computes <thing>", "returns <thing>", "depends on <thing>"],
    "thing": ["<one>", "<many>"],
    "one": ["the number of <kind>", "the mean of <many>", "the output of <tool>"],
    "many": ["the data", "the <kind>", "the weights of <tool>"],
    "kind": ["samples", "features", "labels", "training samples"],
    "quality": ["<size>", "too <size>", "not <size>", "known"],
    "size": ["large", "small"],
}
NAME = re.compile(r"<(\w+)>")


def write_sentence(random: Random) -> str:
    """Expand the rule for a sentence; all alternatives of a name are equally likely."""

    def expand(name: str) -> str:
        return NAME.sub(lambda found: expand(found[1]), random.choice(RULES[name]))

    sentence = expand("sentence")
    return sentence[0].upper() + sentence[1:]


def continue_sentence(beginning: str, random: Random) -> str:
    """Draw from p(sentence | beginning): write sentences until one begins like this."""
    while not (sentence := write_sentence(random)).startswith(beginning):
        pass
    return sentence


def can_write(sentence: str) -> bool:
    """Say whether the rules allow a sentence.

    >>> can_write("The data are known."), can_write("The data is known.")
    (True, False)
    """
    text = sentence[:1].lower() + sentence[1:]

    @functools.cache
    def ends(name: str, start: int) -> set[int]:
        """Return the places where text that the rule allows from `start` can end."""
        found = set()
        for alternative in RULES[name]:
            places = {start}
            # Plain words and names of rules alternate.
            for number, part in enumerate(NAME.split(alternative)):
                if number % 2:
                    places = {end for place in places for end in ends(part, place)}
                else:
                    fits = (p for p in places if text.startswith(part, p))
                    places = {place + len(part) for place in fits}
            found |= places
        return found

    return sentence[:1].isupper() and len(text) in ends("sentence", 0)
