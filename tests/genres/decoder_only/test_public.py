"""A folder with a GPT-2 and a tokenizer becomes a live figure, without a network."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from genai_lib.genres.decoder_only import GPT, GPTConfig
from genai_lib.genres.decoder_only.figure import next_token
from genai_lib.genres.decoder_only.public import expectations, load_public_gpt

TEXT = "the capital of France is 7"


@pytest.fixture
def folder(tmp_path):
    """Save a GPT-2 with random weights and a tokenizer of bytes and two merges."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e")]
    vocabulary = {name: i for i, name in enumerate([*letters, "th", "the"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    GPT(GPTConfig(300, 40, 12, 3, init_std=0.5)).save_pretrained(tmp_path)
    return tmp_path


def test_the_numbers_are_those_of_the_model(folder):
    model, tokenizer = load_public_gpt(folder)
    found = expectations(model, tokenizer, TEXT, shown=4)

    assert "".join(found["text"]) == TEXT and found["text"][0] == "the"
    ids = tokenizer.encode(TEXT).ids
    rows = model(torch.tensor([ids]))[0].double().softmax(-1)
    assert len(found["places"]) == len(ids) - 1
    for place, row, came in zip(found["places"], rows, ids[1:], strict=False):
        best = row.topk(4).indices.tolist()
        listed = best if came in best else [*best[:3], came]
        wanted = {}
        for i in listed:
            piece = tokenizer.decode([i])
            wanted[piece] = wanted.get(piece, 0.0) + row[i].item()
        assert dict(place["options"]) == pytest.approx(wanted, abs=1e-6)
        assert place["bits"] == [pytest.approx(-row[came].log2().item(), abs=1e-5)]


def test_the_figure_shows_them_at_every_place(folder):
    entries = {
        name: expectations(*load_public_gpt(folder), text)
        for name, text in {"one": TEXT, "short": "the end"}.items()
    }
    figure = next_token(entries, "GPT-2")
    cursor, choice = figure.controls
    assert cursor.maximum == len(entries["short"]["places"])
    assert choice.options == ("one", "short")
    for name, entry in entries.items():
        total = 0.0
        for place, expected in enumerate(entry["places"][: cursor.maximum], start=1):
            total += expected["bits"][0]
            numbers = figure.evaluate(place=place, passage=name)
            wanted = {
                f"‘{piece.replace(' ', '␣')}’ by GPT-2": chance
                for piece, chance in expected["options"]
                if piece.isascii() and piece.isprintable()
            } | {"GPT-2, bits per token so far": total / place}
            for label, number in wanted.items():
                assert numbers[label] == pytest.approx(number, abs=1e-6)


def test_what_does_not_fit_is_named(folder):
    model, tokenizer = load_public_gpt(folder)
    with pytest.raises(ValueError, match="text='a' has 1 tokens"):
        expectations(model, tokenizer, "a")
    with pytest.raises(ValueError, match="context=40"):
        expectations(model, tokenizer, "abcde" * 9)
    GPT(GPTConfig(257, 40, 12, 3)).save_pretrained(folder)
    with pytest.raises(ValueError, match=r"tokenizer.json has 258 tokens, .* 257"):
        load_public_gpt(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="tokenizer.json cannot be read"):
        load_public_gpt(folder)
    with pytest.raises(ValueError, match="there is no such folder"):
        load_public_gpt("./none")
