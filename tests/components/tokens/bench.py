"""Byte-pair training and encoding against `tokenizers`, and against the definition.

The reference also notes where each token stands in the text, which ours does not.
"""

import os
from collections import Counter

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from genai_lib.components.tokens import (
    BytePairTokenizer,
    learn_merges,
    learn_merges_loop,
    split_words,
)
from genai_lib.data import load_documentation
from tests.bench._timing import compare, row

SIZE = 1024
SHORT = 50_000


def reference() -> Tokenizer:
    """Make an untrained byte-level tokenizer of the library."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


def train_reference(text: str) -> Tokenizer:
    """Train the library's tokenizer on the same text to the same size."""
    made = reference()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator([text], trainer)
    return made


def main() -> None:
    """Print milliseconds of ours and of the reference, their ratio, and tokens/s."""
    # The reference reads this when it is first used.
    os.environ["RAYON_NUM_THREADS"] = "1"
    text = load_documentation().train
    print(f"{'byte pairs, ' + format(len(text), ',') + ' characters':<48}", end="")
    print(f"{'ours':>12}{'tokenizers':>12}  ratio")
    figures = compare(
        lambda: BytePairTokenizer.train(text, SIZE), lambda: train_reference(text), 5
    )
    print(row(f"train to {SIZE:,}, from the text", *figures, 10))

    ours, theirs = BytePairTokenizer.train(text, SIZE), train_reference(text)
    merges, pattern = ours.merges, ours.pattern
    cases = {
        "encode, words seen before": lambda: ours.encode(text),
        "encode, first time": lambda: BytePairTokenizer(merges, pattern=pattern).encode(
            text
        ),
    }
    count = len(ours.encode(text))
    for name, encode in cases.items():
        figures = compare(encode, lambda: theirs.encode(text), 7)
        print(row(name, *figures, 2))
        rates = [f"{count / seconds / 1e6:.2f}" for seconds in figures[:2]]
        print(f"{'':<4}million tokens per second: {' and '.join(rates)}")

    words = Counter(map(str.encode, split_words(text[:SHORT])))
    mine, loop, ratio = compare(
        lambda: learn_merges(words, 256), lambda: learn_merges_loop(words, 256), 3
    )
    print(f"\n{'256 merges, ' + format(SHORT, ',') + ' characters':<48}", end="")
    print(f"{'ours':>12}{'recounting':>12}  ratio")
    print(row("incremental counts against recounting", mine, loop, ratio, 0.2))


if __name__ == "__main__":
    main()
