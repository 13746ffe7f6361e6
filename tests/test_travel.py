"""Objects without parameters travel: to a worker process, into a copy, and back.

A class that the library offers and this file has no example of is named by a test.
"""

import copy
import importlib
import inspect
import pickle
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import genai_lib
from genai_lib.components.adaptive_temperature import Outcome
from genai_lib.components.attention import KeyValueCache
from genai_lib.components.attention.interface import KeyValues
from genai_lib.components.embeddings.words import Vocabulary as Words
from genai_lib.components.softmax_one import Sequences
from genai_lib.components.tokens import BytePairTokenizer
from genai_lib.components.tokens.stored import load_tokenizer
from genai_lib.components.vector_search import (
    Cost,
    Graph,
    ProductQuantizer,
    VectorIndex,
    Walk,
)
from genai_lib.data import CharacterTokenizer, Digits, Documentation
from genai_lib.data.documentation import Section
from genai_lib.exercises import Verdict
from genai_lib.genres import encoder_decoder, gato
from genai_lib.genres.decoder_only import GPTConfig, KneserNey, ModelCache, PowerLaw
from genai_lib.genres.decoder_only.config import StackConfig
from genai_lib.genres.disentangled_attention import DebertaConfig
from genai_lib.genres.encoder_only import BertConfig
from genai_lib.genres.gato.sequences import plain_tokens
from genai_lib.genres.inference import Beam, NGramModel, Sampling, TokenCache
from genai_lib.runtime import Sizes
from genai_lib.training import History
from tests.book.library_rules import PARTS

ABC = CharacterTokenizer.of("abc")
MEMORY = KeyValues(torch.rand(1, 1, 2, 4), torch.rand(1, 1, 2, 4))
PICTURE = gato.Image((3, 4, 4), 2)
VOCABULARY = encoder_decoder.NumberVocabulary.of(1)
GENERATOR = torch.Generator().manual_seed(0)


def filled_index():
    index = VectorIndex(4)
    index.add(torch.rand(6, 4, generator=GENERATOR))
    return index


EXAMPLES = [
    BytePairTokenizer([(104, 105)], ["<end>"]),
    load_tokenizer(300),
    ABC,
    Words(("a", "b"), (2, 1)),
    ProductQuantizer(torch.rand(2, 4, 3)),
    filled_index(),
    Graph([{0: np.array([1]), 1: np.array([0])}], 0),
    Walk(torch.tensor([1]), torch.tensor([0.5]), 3),
    Cost(1, 0.5, 2.0),
    Outcome(1.0, 0.5, 0.2),
    Sequences(torch.ones(1, 2), torch.ones(1, 2), torch.ones(1, 2)),
    KeyValueCache(),
    MEMORY,
    Digits(torch.rand(1, 8, 8), torch.tensor([3])),
    Documentation("abc", "ab"),
    Section("a", "b", "c"),
    Verdict(True, "right"),
    StackConfig(vocab_size=7),
    GPTConfig(vocab_size=7),
    KneserNey("abcabc", 2, "abc"),
    ModelCache(2),
    PowerLaw(1.0, 0.5),
    DebertaConfig(vocab_size=7),
    BertConfig(vocab_size=7),
    encoder_decoder.Seq2SeqConfig(vocab_size=7),
    encoder_decoder.Seq2SeqCache([MEMORY], torch.ones(1, 1, 1, 2).bool()),
    encoder_decoder.Gap(1, 2),
    VOCABULARY,
    VOCABULARY.pairs([(7, "en")]),
    gato.Text(),
    PICTURE,
    gato.Discrete(3),
    gato.Continuous((2,)),
    gato.Bounded(),
    gato.Task("a", {"view": PICTURE}, {"go": gato.Discrete(3)}),
    gato.Vocabulary(ABC),
    gato.Episode({"view": torch.rand(1, 3, 4, 4)}, {"go": torch.tensor([1])}),
    gato.Corridor(swapped=True),
    gato.GridWorld(),
    gato.NamedObservation(gato.GridWorld(), "view"),
    plain_tokens(torch.tensor([1, 2])),
    Beam(torch.tensor([1]), -0.5),
    NGramModel(torch.tensor([0, 1, 0, 1, 2]), order=2, vocab_size=3),
    Sampling(0.5, top_k=3),
    TokenCache(),
    Sizes({"steps": (1, 2)}, "cpu"),
    History([1.0]),
]
# These hold a model that the reader makes, and travel as that does.
HOLD_A_MODEL = {
    "ConditionalLM",
    "LeftToRightInfiller",
    "MaskedInfiller",
    "Policy",
    "RerankedInfiller",
    "SpanInfiller",
}
# What the running of an episode leaves behind; made of objects above.
MADE_BY_PLAYING = {"RecurrentCache", "Rollout"}


def public_classes():
    """Return the classes without parameters that the packages offer in `__all__`."""
    folder = Path(genai_lib.__file__).parent
    faces = [folder / "runtime.py", folder / "training.py", folder / "data/__init__.py"]
    for part in PARTS:
        faces += (folder / part).glob("*/__init__.py")
    found = set()
    for face in faces:
        parts = face.relative_to(folder.parent).with_suffix("").parts
        module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
        for name in getattr(module, "__all__", ()):
            offered = getattr(module, name)
            if inspect.isclass(offered) and not issubclass(offered, nn.Module):
                found.add(offered)
    return found


def same(first, second):
    """Compare what two objects are made of, tensors and arrays by their entries."""
    if type(first) is not type(second):
        return False
    if isinstance(first, torch.Tensor | np.ndarray):
        return first.shape == second.shape and bool((first == second).all())
    if isinstance(first, dict):
        first, second = sorted(first.items(), key=str), sorted(second.items(), key=str)
    if isinstance(first, list | tuple):
        pairs = zip(first, second, strict=False)
        return len(first) == len(second) and all(same(*pair) for pair in pairs)
    if type(first).__module__.startswith("genai_lib"):
        return same(first.__reduce__()[1:], second.__reduce__()[1:]) and same(
            getattr(first, "__dict__", {}), getattr(second, "__dict__", {})
        )
    return first == second or not isinstance(first, str | int | float | set)


def name_of(example):
    return type(example).__name__


def test_every_public_class_without_parameters_has_an_example():
    known = {type(example) for example in EXAMPLES}
    missing = {c.__name__ for c in public_classes() - known}
    assert missing <= HOLD_A_MODEL | MADE_BY_PLAYING


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_it_comes_back_from_another_process(example):
    assert type(pickle.loads(ForkingPickler.dumps(example))) is type(example)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert same(pickle.loads(pickle.dumps(example, protocol)), example)


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_it_can_be_copied(example):
    assert same(copy.deepcopy(example), example)
    assert same(copy.copy(example), example)


def test_a_tokenizer_encodes_the_same_after_a_journey():
    tokenizer = BytePairTokenizer.train("hihi hi ho " * 9, 262, ["<end>"])
    ids = tokenizer.encode("hi ho hi")  # and these words are cached now
    for copied in (pickle.loads(pickle.dumps(tokenizer)), copy.deepcopy(tokenizer)):
        assert copied.encode("hi ho hi") == ids
        assert copied.decode(ids) == "hi ho hi"
        assert copied.special_tokens == tokenizer.special_tokens


def test_an_index_finds_the_same_after_a_journey():
    index, query = filled_index(), torch.rand(2, 4, generator=GENERATOR)
    found = index.search(query, 3)
    for copied in (pickle.loads(pickle.dumps(index)), copy.deepcopy(index)):
        assert same(copied.search(query, 3), found)
