"""GPT reads what transformers writes, is read by it, and refuses what is broken."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from genai_lib.components.positions import AlibiPositions
from genai_lib.genres.decoder_only import GPT, GPTConfig
from tests.genres.checkpoint_files import edit_config, edit_tensors

transformers = pytest.importorskip("transformers")
ODD = {
    "small": {"vocab_size": 31, "n_positions": 9, "n_embd": 12, "n_head": 3},
    "inner width": {"vocab_size": 50, "n_embd": 10, "n_head": 2, "n_inner": 7},
    "own head": {"vocab_size": 17, "n_embd": 8, "n_head": 8, "untied": True},
    "one head": {"vocab_size": 257, "n_embd": 15, "n_head": 1, "n_layer": 1},
    "deep": {"vocab_size": 13, "n_embd": 20, "n_head": 5, "n_layer": 6},
    "rough": {"vocab_size": 20, "n_embd": 8, "n_head": 2, "layer_norm_epsilon": 0.1},
    "relu": {"vocab_size": 20, "n_embd": 8, "n_head": 2, "activation_function": "relu"},
    "gelu": {"vocab_size": 20, "n_embd": 8, "n_head": 2, "activation_function": "gelu"},
    "silu": {"vocab_size": 20, "n_embd": 8, "n_head": 2, "activation_function": "silu"},
}


def reference_model(untied=False, head=True, **sizes):
    """Make a GPT-2 of transformers whose every weight shows in its output."""
    sizes = {
        "n_positions": 16,
        "n_layer": 2,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "tie_word_embeddings": not untied,
        "attn_implementation": "eager",
    } | sizes
    config = transformers.GPT2Config(**sizes)
    kind = transformers.GPT2LMHeadModel if head else transformers.GPT2Model
    model = kind(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.05, 0.25)
    return model.eval()


@pytest.mark.parametrize("sizes", ODD.values(), ids=ODD)
def test_a_checkpoint_of_transformers_gives_its_numbers(tmp_path, sizes):
    reference = reference_model(**sizes)
    reference.save_pretrained(tmp_path)
    tokens = torch.randint(sizes["vocab_size"], (3, 9))

    model = GPT.from_pretrained(tmp_path)

    with torch.no_grad():
        wanted = reference(tokens, output_hidden_states=True)
        hidden = model.hidden_states(tokens)
        assert_close(hidden, wanted.hidden_states[-1], atol=1e-5, rtol=1e-5)
        assert_close(model(tokens), wanted.logits, atol=1e-5, rtol=1e-5)
    theirs = sum(p.numel() for p in reference.parameters())
    assert model.config.parameters == theirs
    assert sum(p.numel() for p in model.parameters()) == theirs
    assert not model.training and all(p.requires_grad for p in model.parameters())


@torch.no_grad()
@pytest.mark.parametrize("sizes", ODD.values(), ids=ODD)
def test_greedy_text_is_exactly_that_of_transformers(tmp_path, sizes):
    reference = reference_model(**sizes)
    reference.generation_config.eos_token_id = None
    reference.save_pretrained(tmp_path)
    model, prompt = GPT.from_pretrained(tmp_path), torch.randint(13, (2, 3))
    wanted = reference.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=6,
        do_sample=False,
        pad_token_id=0,
    )
    tokens, unread, cache = prompt, prompt, model.new_cache()
    for _ in range(6):
        unread = model(unread, cache=cache)[:, -1:].argmax(-1)
        tokens = torch.cat([tokens, unread], dim=1)
    assert tokens.equal(wanted)


@pytest.mark.parametrize("untied", [False, True])
def test_several_files_are_read_as_one(tmp_path, untied):
    reference = reference_model(**ODD["small"], untied=untied)
    reference.save_pretrained(tmp_path, max_shard_size=4000)
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    tokens = torch.randint(31, (2, 5))
    found = GPT.from_pretrained(str(tmp_path))(tokens)
    assert_close(found, reference(tokens).logits, atol=1e-5, rtol=1e-5)


def test_files_without_head_or_with_old_masks_or_in_half_precision(tmp_path):
    """The file of the hub is such a one: no prefix, no head, and masks inside."""
    reference = reference_model(**ODD["small"], head=False)
    reference.half().save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    assert tensors["wte.weight"].dtype == torch.float16
    for i in range(2):
        tensors[f"h.{i}.attn.bias"] = torch.ones(1, 1, 9, 9).tril().bool()
        tensors[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(tensors, path)
    tokens = torch.randint(31, (2, 5))
    model = GPT.from_pretrained(tmp_path)
    wanted = reference.float()(tokens).last_hidden_state
    assert_close(model.hidden_states(tokens), wanted, atol=1e-5, rtol=1e-5)
    assert model.to_logits.weight is model.embedding.weight


@pytest.mark.parametrize("tied", [True, False])
def test_what_is_written_is_read_again_and_by_transformers(tmp_path, tied):
    sizes = {"context": 7, "width": 12, "heads": 3, "ffn_width": 5, "epsilon": 1e-3}
    config = GPTConfig(11, **sizes, tied=tied, init_std=0.1)
    model = GPT(config)
    model.save_pretrained(tmp_path / "new")
    tokens = torch.randint(11, (2, 6))
    again = GPT.from_pretrained(tmp_path / "new")
    assert again.config == config
    assert_close(again(tokens), model(tokens), atol=0, rtol=0)
    theirs = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "new").eval()
    assert_close(model(tokens), theirs(tokens).logits, atol=1e-5, rtol=1e-5)


def test_a_loaded_model_can_be_trained_and_stays_tied(tmp_path):
    reference_model(**ODD["small"]).save_pretrained(tmp_path)
    model = GPT.from_pretrained(tmp_path)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.randint(31, (2, 5))).square().mean().backward()
    optimizer.step()
    assert model.to_logits.weight.equal(model.embedding.weight)


def test_the_deviation_is_that_of_the_file_and_0_02_without_one(folder):
    edit_config(folder, initializer_range=0.3)
    assert GPT.from_pretrained(folder).config.init_std == 0.3
    edit_config(folder, initializer_range="dropped")
    assert GPT.from_pretrained(folder).config.init_std == 0.02
    edit_config(folder, initializer_range=-0.1)
    with pytest.raises(ValueError, match="initializer_range=-0.1: a number above 0"):
        GPT.from_pretrained(folder)


def test_only_what_fits_gpt2_is_written(tmp_path):
    model = GPT(GPTConfig(vocab_size=5), positional_encoding=AlibiPositions(4))
    with pytest.raises(ValueError, match="only softmax and learned positions"):
        model.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_fields_of_the_files_of_the_hub_are_known(folder):
    """Those of gpt2, gpt2-medium and distilgpt2 that transformers writes no more."""
    task = {"text-generation": {"do_sample": True, "max_length": 50}}
    edit_config(
        folder,
        n_ctx=9,
        n_special=0,
        predict_special_tokens=True,
        output_past=True,
        _num_labels=1,
        id2label={"0": "LABEL_0"},
        label2id={"LABEL_0": 0},
        summary_activation=None,
        summary_first_dropout=0.1,
        summary_proj_to_labels=True,
        summary_type="cls_index",
        summary_use_proj=True,
        task_specific_params=task,
    )
    assert GPT.from_pretrained(folder).config.width == 12


@pytest.fixture
def folder(tmp_path):
    reference_model(**ODD["small"]).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bert"}, "model_type='bert': only 'gpt2'"),
        ({"activation_function": "tanh"}, "activation_function='tanh'.*not supported"),
        ({"scale_attn_weights": False}, "scale_attn_weights=False.*only True"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ({"reorder_and_upcast_attn": True}, "reorder_and_upcast_attn=True"),
        ({"add_cross_attention": True}, "add_cross_attention=True"),
        ({"is_encoder_decoder": True}, "is_encoder_decoder=True"),
        ({"quantization_config": {"bits": 4}}, "quantization_config=.*not known"),
        ({"rope_theta": 1e4}, "rope_theta=10000.0: this option is not known"),
        ({"n_embd": "12"}, "n_embd='12': a whole number"),
        ({"n_head": 0}, "n_head=0"),
        ({"n_head": 5}, "json: n_embd=12 must be a multiple of n_head=5"),
        ({"n_layer": True}, "n_layer=True"),
        ({"n_layer": "dropped"}, "no field 'n_layer'"),
        ({"layer_norm_epsilon": -1}, "layer_norm_epsilon=-1"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings='yes'"),
        # What contradicts the tensors or itself.
        ({"n_ctx": 8}, "n_ctx=8"),
        ({"n_layer": 3}, "no tensor 'h.2"),
        ({"n_layer": 1}, "tensors that the model of its config.json has not.*h.1"),
        ({"vocab_size": 30}, r"'wte.weight' has shape \(31, 12\).*\(30, 12\)"),
        ({"n_positions": 10}, "'wpe.weight' has shape"),
        ({"n_inner": 40}, "'h.0.mlp.c_fc.weight' has shape"),
        ({"tie_word_embeddings": False}, "no tensor 'lm_head.weight'"),
    ],
)
def test_a_config_that_does_not_fit_is_one_clear_error(folder, changes, message):
    edit_config(folder, **changes)
    with pytest.raises(ValueError, match=message):
        GPT.from_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.pop("transformer.h.1.ln_2.bias"), "no tensor 'h.1.ln_2.bias'"),
        (
            lambda x: x.update({"transformer.ln_f.weight": torch.ones(13)}),
            r"'ln_f.weight' has shape \(13,\)",
        ),
        (
            lambda x: x.update({"transformer.ln_f.weight": torch.ones(12).long()}),
            "'ln_f.weight' has .*int64, floats",
        ),
        (
            lambda x: x.update({"lm_head.weight": torch.ones(31, 12)}),
            "lm_head.weight differs .* tie_word_embeddings is true",
        ),
        (lambda x: x.update({"transformer.h.0.new": torch.ones(1)}), "h.0.new"),
        (lambda x: x.update({"wte.weight": torch.ones(1)}), "with and without"),
    ],
)
def test_tensors_that_do_not_fit_are_one_clear_error(folder, change, message):
    edit_tensors(folder, change)
    with pytest.raises(ValueError, match=message):
        GPT.from_pretrained(folder)


def test_a_transposed_matrix_is_an_error(folder):
    name = "transformer.h.0.mlp.c_fc.weight"
    edit_tensors(folder, lambda x: x.update({name: x[name].T.contiguous()}))
    with pytest.raises(ValueError, match=r"'h.0.mlp.c_fc.weight' .* \(48, 12\)"):
        GPT.from_pretrained(folder)
