"""A folder with a BERT and a tokenizer fills in a mask, without a network."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from genai_lib.genres.encoder_only import Bert, BertConfig
from genai_lib.genres.encoder_only.public import fill_mask, load_public_bert

WORDS = ("[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "capital", "is", "paris")


@pytest.fixture
def folder(tmp_path):
    """Save a BERT with random weights and a tokenizer of a few words."""
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["[CLS]", "[SEP]", "[MASK]"])
    ends = [("[CLS]", 1), ("[SEP]", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(len(WORDS), 12, 12, 3, init_std=0.5)
    Bert(config).save_pretrained(tmp_path)
    return tmp_path


@torch.no_grad()
def test_the_numbers_are_those_of_the_model(folder):
    model, tokenizer = load_public_bert(folder)
    found = fill_mask(model, tokenizer, "the [MASK] is paris", shown=4)
    chances = model(torch.tensor([[1, 4, 3, 6, 7, 2]]))[0, 2].softmax(-1)
    assert len(found) == 4 and found == sorted(found, key=lambda pair: -pair[1])
    names = [tokenizer.decode([i]) for i in range(len(WORDS))]
    for name, chance in found:
        assert chance == pytest.approx(chances[names.index(name)].item(), abs=1e-6)
    assert found[0][1] == pytest.approx(chances.max().item(), abs=1e-6)
    assert len(fill_mask(model, tokenizer, "the [MASK]", shown=99)) == len(WORDS)


def test_a_text_without_a_mask_is_an_error(folder):
    with pytest.raises(ValueError, match="text='the capital' has no"):
        fill_mask(*load_public_bert(folder), "the capital")


def test_a_folder_that_does_not_fit_is_an_error(folder, tmp_path):
    with pytest.raises(ValueError, match="there is no such folder"):
        load_public_bert(tmp_path / "nowhere")
    Bert(BertConfig(5, 12, 12, 3)).save_pretrained(folder)
    with pytest.raises(ValueError, match="has 8 tokens, the model 5"):
        load_public_bert(folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        load_public_bert(folder)
