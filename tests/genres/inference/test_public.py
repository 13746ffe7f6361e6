"""The cell of the inference chapter that asks GPT-2, run without a network."""

import json
import math
import os
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from genai_lib import runtime
from genai_lib.claims import approximately
from genai_lib.genres.decoder_only import GPT, GPTConfig
from genai_lib.genres.decoder_only.public import load_public_gpt
from genai_lib.genres.inference.figure import next_tokens

CHAPTER = Path(__file__).parents[3] / "chapters/genres/inference.ipynb"
TEXTS = ("The capital of France is", "Yesterday I saw a")


@pytest.fixture
def folder(tmp_path):
    """Save a GPT-2 with random weights and a tokenizer of bytes."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    GPT(GPTConfig(256, 40, 12, 3, init_std=0.5)).save_pretrained(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch):
    """Run the cell as a reader does who asked for GPT-2, or did not."""
    cells = json.loads(CHAPTER.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    (source,) = [text for text in sources if "def real_distributions" in text]

    def run_cell(load, asked="1"):
        monkeypatch.setitem(os.environ, "GENAI_DOWNLOAD", asked)
        shown, asked_for = [], []

        def noted(name):
            asked_for.append(name)
            return load(name)

        names = {
            "approximately": approximately,
            "display": shown.append,
            "load_public_gpt": noted,
            "math": math,
            "next_tokens": next_tokens,
            "runtime": runtime,
            "torch": torch,
        }
        exec(compile(source, "cell", "exec"), names)
        return shown, asked_for

    return run_cell


def test_the_figure_holds_what_the_model_expects(run, folder, capsys):
    (figure,), asked_for = run(lambda name: load_public_gpt(folder))
    printed = capsys.readouterr().out.splitlines()
    model, tokenizer = load_public_gpt(folder)

    assert asked_for == ["gpt2"]
    assert figure.controls[0].options == TEXTS
    assert printed[-1] == "GPT-2 runs here, in the code of this book"
    for text, line in zip(TEXTS, printed, strict=False):
        ids = torch.tensor([tokenizer.encode(text).ids])
        law = model(ids)[0, -1].double().softmax(-1)
        best = law.topk(40)
        held = best.values.sum().item()
        assert line == f"{text} … the 40 hold {approximately(held)}"
        chances = {}
        for chance, i in zip(*map(torch.Tensor.tolist, best), strict=True):
            word = tokenizer.decode([i])
            chances[word] = chances.get(word, 0.0) + chance / held
        assert len(chances) < 40  # most single bytes look alike
        rows = figure.panels[0]["data"]["values"]
        rows = {row["token"]: row["logit"] for row in rows if row["context"] == text}
        total = sum(map(math.exp, rows.values()))
        found = sorted(math.exp(logit) / total for logit in rows.values())
        assert found == pytest.approx(sorted(chances.values()), abs=1e-5)
        numbers = figure.evaluate(context=text, top_p=1)
        assert numbers["tokens kept"] == len(chances)
        assert numbers["held"] == pytest.approx(1, abs=1e-9)


def test_nothing_is_fetched_unless_asked(run, capsys):
    assert run(None, asked="0") == ([], [])
    assert "GENAI_DOWNLOAD=1 asks for it" in capsys.readouterr().out


def test_without_a_network_the_chapter_says_so_and_goes_on(run, capsys):
    def refuse(name):
        raise ValueError(f"name={name!r}: there is no such folder")

    assert run(refuse) == ([], ["gpt2"])
    assert "without GPT-2 the chapter goes on: name='gpt2'" in capsys.readouterr().out


def test_a_mistake_in_the_code_is_not_taken_for_a_missing_network(run):
    with pytest.raises(AttributeError):
        run(lambda name: (None, None))
