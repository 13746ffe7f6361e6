"""The book's own tokenizer, trained on its documentation text and kept as a file.

`make stored TOPIC=tokens` trains it again and writes merges.json.

Tests    tests/components/tokens
"""

import functools
from collections.abc import Sequence
from pathlib import Path

from genai_lib.checks import check_whole
from genai_lib.components.tokens import BytePairTokenizer
from genai_lib.data.documentation import load_documentation

MERGES = Path(__file__).with_name("stored") / "merges.json"
LARGEST = 4096


def train_tokenizer() -> BytePairTokenizer:
    """Train the tokenizer of the file on the training part of the documentation."""
    return BytePairTokenizer.train(load_documentation().train, LARGEST)


def load_tokenizer(
    vocab_size: int = 1024, special_tokens: Sequence[str] = ()
) -> BytePairTokenizer:
    """Load the book's tokenizer at a vocabulary size.

    Parameters
    ----------
    vocab_size : int, default=1024
        From 256, which is plain bytes, to 4096, special tokens included. A smaller
        vocabulary has the first merges of a larger one.
    special_tokens : sequence of str, default=()

    Raises
    ------
    ValueError
        If there is no tokenizer of this size.
    """
    largest = _largest()
    fewest, most = (n + len(special_tokens) for n in (256, largest.vocab_size))
    (vocab_size,) = check_whole(fewest, most, vocab_size=vocab_size)
    kept = largest.truncated(vocab_size - len(special_tokens)).merges
    return BytePairTokenizer(kept, special_tokens)


@functools.lru_cache(maxsize=1)
def _largest() -> BytePairTokenizer:
    return BytePairTokenizer.load(MERGES)


def make_merges(folder: Path) -> None:
    """Train the tokenizer and write its merges into a folder."""
    train_tokenizer().save(folder / MERGES.name)


MAKERS = {make_merges: ("merges.json",)}
