"""What DeBERTa writes it reads again, bit by bit, and transformers reads it too."""

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from genai_lib.genres.disentangled_attention import Deberta, DebertaAttentionAsPrinted
from tests.genres.disentangled_attention.test_checkpoint import reference_model
from tests.genres.disentangled_attention.test_model import lively

transformers = pytest.importorskip("transformers")
KINDS = {
    "plain": {},
    "as version 2": {
        "shared": True,
        "normed": True,
        "max_distance": 9,
        "convolution": 3,
        "convolved": "gelu",
    },
    "window of five": {"convolution": 5, "layers": 1},
    "no head": {"head": False, "convolution": 3},
    "absolute": {"absolute": "input", "epsilon": 0.01, "context": 12},
    "own table for the scores": {"tied": False, "activation": "relu"},
    "fewer terms": {"terms": ("c2c", "p2c"), "max_relative_distance": 2},
    "no term of places": {"terms": ("c2c",)},
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@torch.no_grad()
def test_what_is_written_is_read_again_and_by_transformers(tmp_path, kind):
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = lively(**kind)
    model.save_pretrained(tmp_path / "new")
    again = Deberta.from_pretrained(tmp_path / "new")
    assert again.config == model.config
    wanted, found = model.state_dict(), again.state_dict()
    assert set(wanted) == set(found)
    assert all(found[name].equal(x) for name, x in wanted.items())
    tokens, mask = torch.randint(11, (2, 8)), torch.ones(2, 8, dtype=torch.bool)
    mask[1, 6:] = False
    name = "DebertaV2ForMaskedLM" if model.config.head else "DebertaV2Model"
    theirs, report = getattr(transformers, name).from_pretrained(
        tmp_path / "new", output_loading_info=True, attn_implementation="eager"
    )
    assert not any(report.values())
    seen = theirs.eval()(tokens, mask.long(), output_hidden_states=True)
    states = model.states(tokens, mask=mask)
    for ours, other in zip(states, seen.hidden_states, strict=True):
        assert_close(ours[mask], other[mask], atol=1e-5, rtol=1e-5)
    if model.config.head:
        ours = model(tokens, mask=mask)
        assert_close(ours[mask], seen.logits[mask], atol=1e-4, rtol=1e-5)


@torch.no_grad()
def test_a_file_of_transformers_survives_the_way_there_and_back(tmp_path):
    sizes = {"conv_kernel_size": 3, "conv_act": "gelu", "norm_rel_ebd": "layer_norm"}
    reference_model(**sizes).save_pretrained(tmp_path / "theirs")
    model = Deberta.from_pretrained(tmp_path / "theirs")
    model.save_pretrained(tmp_path / "ours")
    files = [tmp_path / whose / "model.safetensors" for whose in ("theirs", "ours")]
    theirs, ours = map(load_file, files)
    assert set(ours) == set(theirs)
    assert all(ours[name].equal(x) for name, x in theirs.items())
    again = Deberta.from_pretrained(tmp_path / "ours")
    assert again.config == model.config
    tokens = torch.randint(31, (2, 9))
    assert_close(again(tokens), model(tokens), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: lively(absolute="decoder"),
            "absolute='decoder' .*no enhanced mask decoder",
        ),
        (lambda: lively(terms=("c2p",)), r"terms=\('c2p',\): .*always the term c2c"),
        (
            lambda: lively(DebertaAttentionAsPrinted),
            "only a model with DebertaAttention",
        ),
    ],
)
def test_only_what_fits_a_file_is_written(tmp_path, model, message):
    with pytest.raises(ValueError, match=message):
        model().save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()
