"""The alphabet of the book's text, and replacements for all other characters.

Stored models know these characters and no others, so a text from elsewhere, such as
the documentation of another scikit-learn, is first converted to them.

Tests    tests/data/test_alphabet.py
"""

import re
import unicodedata

# A new line, all that ASCII prints, and three more.
ALPHABET = "\n" + "".join(map(chr, range(32, 127))) + "é—∞"
UNKNOWN = "?"
LETTER = re.compile(r"(?:LATIN|GREEK) (SMALL|CAPITAL) LETTER ([A-Z]+)")
# Characters that neither a Unicode decomposition nor a Unicode name explains.
SIGNS = {
    **dict.fromkeys("\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", "\n"),
    **dict.fromkeys("‘’‚‛′´ˈ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("−⁃", "-"),
    **dict.fromkeys("•·⋅∙∗", "*"),
    **{"\t": " ", "×": "x", "⁄": "/", "÷": "/", "ß": "ss", "œ": "oe", "Œ": "Oe"},
    **{"ı": "i", "λ": "lambda", "Λ": "Lambda", "∈": "in", "√": "sqrt", "∑": "sum"},
    **{"≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "→": "->", "←": "<-", "⇒": "=>"},
}


def in_alphabet(text: str) -> str:
    """Convert a text to the characters of `ALPHABET`.

    Another character becomes one that looks alike or has the same name, else "?";
    invisible ones are dropped. A text in the alphabet is returned as it is.

    >>> in_alphabet("naïve\\u00a0“λ” ≤ 3 é")
    'naive "lambda" <= 3 é'
    """
    if set(text) <= set(ALPHABET):
        return text
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    return "".join(c if c in ALPHABET else _replaced(c) for c in text)


def _replaced(character: str) -> str:
    if character in SIGNS:
        return SIGNS[character]
    parts = unicodedata.normalize("NFKD", character)
    if parts != character:
        return "".join(c if c in ALPHABET else _replaced(c) for c in parts)
    kind = unicodedata.category(character)
    if kind[0] == "M" or kind in ("Cf", "Cc"):  # accents, joiners, controls
        return ""
    if kind in ("Zs", "Pd"):
        return " " if kind == "Zs" else "-"
    return _by_name(unicodedata.name(character, ""))


def _by_name(name: str) -> str:
    """Return the letter of a Unicode name, without its stroke.

    >>> _by_name("LATIN SMALL LETTER O WITH STROKE")
    'o'
    """
    found = LETTER.match(name)
    if not found:
        return UNKNOWN
    size, letter = found.groups()
    return letter.lower() if size == "SMALL" else letter.capitalize()
