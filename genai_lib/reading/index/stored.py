"""Make the data of the front page's figure: three models continue one beginning.

`make stored TOPIC=index` writes three_models.json: continuations by a grammar written
by hand, by counts of characters and by the small GPT, and the bits per held-out
character of each. Nothing is selected: each text has its own seed, and what that seed
gave is stored.

Tests    tests/reading/index/test_stored.py
"""

import functools
import json
import re
from pathlib import Path
from random import Random

import torch

from genai_lib import runtime
from genai_lib.data.documentation import load_documentation
from genai_lib.genres.decoder_only import KneserNey, text_bits
from genai_lib.genres.decoder_only.stored import load_small_gpt
from genai_lib.genres.inference import generate
from genai_lib.reading.index.grammar import RULES, can_write, continue_sentence

PATH = Path(__file__).with_name("stored") / "three_models.json"
BEGINNINGS = ("The estimator", "This function", "The number of", "If the data")
SAMPLES, ORDER, LENGTH, DIGITS = 5, 5, 100, 3
# An empty line ends a paragraph, so it also comes before the beginning of one.
PARAGRAPH = "\n\n"
SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
WORD = re.compile(r"[a-z]{2,}", re.IGNORECASE)


@functools.lru_cache(maxsize=1)
def count_characters() -> KneserNey:
    """Return an n-gram model of the text that the small GPT was trained on."""
    documentation = load_documentation()
    return KneserNey(documentation.train, ORDER, documentation.characters)


def seed_of(beginning: str, sample: int) -> int:
    """Return the seed of a text: the texts are numbered 1, 2, 3 and so on."""
    return BEGINNINGS.index(beginning) * SAMPLES + sample


def by_grammar(beginning: str, seed: int) -> str:
    """Continue as the grammar does."""
    return continue_sentence(f"{beginning} ", Random(seed))[len(beginning) :]


def by_counts(beginning: str, seed: int) -> str:
    """Continue by drawing from p(next character | the last ORDER - 1)."""
    counts, random = count_characters(), Random(seed)
    text = start = f"{PARAGRAPH}{beginning} "
    while len(text) < len(start) + LENGTH and not text.endswith(PARAGRAPH):
        chances = counts.probabilities(text)
        text += random.choices(counts.characters, chances)[0]
    return shown(text[len(start) - 1 :])


def by_gpt(beginning: str, seed: int) -> str:
    """Continue by drawing from p(next character | all before it)."""
    model, characters = load_small_gpt()
    text = start = f"{PARAGRAPH}{beginning} "
    generator = torch.Generator().manual_seed(seed)
    prompt = characters.encode(start)
    for token in generate(model, prompt, LENGTH, generator=generator):
        text += characters.decode([token])
        if text.endswith(PARAGRAPH):
            break
    return shown(text[len(start) - 1 :])


def shown(text: str) -> str:
    """Write a paragraph in one line, with an ellipsis where it was cut off.

    >>> shown("a line\\nand a half"), shown("a line\\n\\n")
    ('a line and a half…', 'a line')
    """
    end = "" if text.endswith(PARAGRAPH) else "…"
    return " " * text.startswith(" ") + " ".join(text.split()) + end


def held_out_sentences() -> list[str]:
    """Cut the held-out paragraphs where a sentence ends, each in one line."""
    paragraphs = load_documentation().validation.split(PARAGRAPH)
    return [" ".join(s.split()) for p in paragraphs for s in SENTENCE_END.split(p)]


def known_share(texts: list[str]) -> float:
    """Return the fraction of the words of texts that occur in the training text."""
    known = {word.lower() for word in WORD.findall(load_documentation().train)}
    words = []
    for text in texts:
        # The last word of a text that was cut off may be cut off as well.
        words += WORD.findall(text)[: -1 if text.endswith("…") else None]
    return round(sum(word.lower() in known for word in words) / len(words), DIGITS)


def measure() -> dict[str, dict]:
    """Measure the size of each model and its bits per character of held-out text."""
    documentation = load_documentation()
    model, characters = load_small_gpt()
    counts = count_characters()
    tokens = characters.encode(documentation.validation)
    context = model.config.context
    by_count = counts.text_bits(documentation.validation)
    by_network = text_bits(model, tokens, context, context // 2)
    sentences = held_out_sentences()
    return {
        "grammar": {
            "rules": len(RULES),
            "held out": len(sentences),
            "possible": sum(map(can_write, sentences)),
        },
        "counts": {
            "order": ORDER,
            "characters": len(documentation.train),
            "bits": round(sum(by_count) / len(by_count), DIGITS),
        },
        "GPT": {
            "parameters": sum(p.numel() for p in model.parameters()),
            "context": context,
            "bits": round(by_network.mean().item(), DIGITS),
        },
    }


def write(beginning: str, sample: int) -> dict[str, str]:
    """Let each model continue a beginning."""
    writers = {"grammar": by_grammar, "counts": by_counts, "GPT": by_gpt}
    seed = seed_of(beginning, sample)
    return {name: writer(beginning, seed) for name, writer in writers.items()}


def make() -> dict[str, dict]:
    """Return the measures and the texts of all models."""
    models = measure()
    samples = {
        beginning: [write(beginning, sample) for sample in range(1, SAMPLES + 1)]
        for beginning in BEGINNINGS
    }
    for name in ("counts", "GPT"):
        texts = [one[name] for group in samples.values() for one in group]
        models[name]["known"] = known_share(texts)
    return {"models": models, "samples": samples}


def make_three_models(folder: Path) -> None:
    """Write the continuations by three models into a folder."""
    runtime.threads()
    text = json.dumps(make(), ensure_ascii=False, indent=1)
    (folder / PATH.name).write_text(text + "\n", encoding="utf-8")


MAKERS = {make_three_models: ("three_models.json",)}
