"""Words: pieces of text that no token crosses, and their bytes.

Chapter  chapters/components/tokens.ipynb
Tests    tests/components/tokens

References
    [1] Radford et al., "Language Models are Unsupervised Multitask Learners", 2019,
        section 2.2
"""

import functools

import regex

# A contraction; letters, digits or other symbols, each with at most one space before
# them; spaces, of which the last one is left to the word that follows [1].
WORDS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def split_words(text: str, pattern: str = WORDS) -> list[str]:
    """Cut a text into words that together are the text.

    Parameters
    ----------
    text : str
    pattern : str, default=WORDS
        A pattern of the package `regex`; each of its matches is a word.

    Raises
    ------
    ValueError
        If `text` is not a string, or the matches leave out a part of it.

    >>> split_words("It's 3 o'clock.")
    ['It', "'s", ' 3', ' o', "'", 'clock', '.']
    """
    if not isinstance(text, str):
        raise ValueError(f"text={text!r} must be a string")
    words = compile_pattern(pattern).findall(text)
    if sum(map(len, words)) != len(text):
        raise ValueError(f"pattern={pattern!r} leaves out a part of the text")
    return words


@functools.cache
def compile_pattern(pattern: str) -> regex.Pattern:
    """Compile a pattern, or say in a ValueError why it cannot serve."""
    try:
        compiled = regex.compile(pattern)
    except (regex.error, TypeError) as reason:
        raise ValueError(f"pattern={pattern!r} is not a pattern: {reason}") from None
    if compiled.groups:
        raise ValueError(f"pattern={pattern!r} has a group: write (?:...) for (...)")
    return compiled


def to_bytes(text: str) -> bytes:
    """Write a string as UTF-8, with three bytes for half a surrogate pair.

    Python's strings may hold such halves, for instance in file names, though UTF-8
    proper has no place for them.
    """
    return text.encode("utf-8", "surrogatepass")


def to_text(joined: bytes) -> str:
    """Read what `to_bytes` wrote; bytes that are not text give the character �."""
    try:
        return joined.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return joined.decode("utf-8", "replace")


def to_piece(token: bytes) -> str:
    """Show a token; bytes that are not text by themselves show as their numbers.

    >>> to_piece(b" the"), to_piece(bytes([0xE2, 0x82]))
    (' the', '⟨e2 82⟩')
    """
    try:
        return token.decode("utf-8")
    except UnicodeDecodeError:
        return f"⟨{token.hex(' ')}⟩"
