"""DeBERTa reads what transformers writes, and refuses what is broken."""

import pytest
import torch
from torch.testing import assert_close

from genai_lib.components.positions import NoPositions
from genai_lib.genres.disentangled_attention import (
    Deberta,
    DebertaAttention,
    DebertaAttentionAsPrinted,
    RelativePositions,
    enhanced_mask_decoder,
)
from tests.genres.checkpoint_files import edit_config, edit_tensors

transformers = pytest.importorskip("transformers")
REAL = {
    "position_buckets": 6,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "position_biased_input": False,
}
ODD = {
    "as in the paper": {"position_biased_input": False},
    "as version 3": REAL,
    "absolute too": {"position_biased_input": True},
    "c2p alone": {"pos_att_type": ["c2p"]},
    "p2c alone": {"pos_att_type": "p2c", "share_att_key": True},
    "no term": {"pos_att_type": None},
    "short distances": {"max_relative_positions": 5},
    "few groups": {"position_buckets": 2, "max_relative_positions": 9},
    "one head": {"num_attention_heads": 1, "hidden_size": 15},
    "deep": {"num_hidden_layers": 5},
    "rough": {"layer_norm_eps": 0.1, "norm_rel_ebd": "layer_norm"},
    "relu": {"hidden_act": "relu"},
    "new gelu": {"hidden_act": "gelu_new"},
    "head of the released files": {"legacy": False},
    "own table for the scores": {"tie_word_embeddings": False},
    "both": {"legacy": False, "tie_word_embeddings": False},
}


def reference_model(kind="DebertaV2ForMaskedLM", **sizes):
    """Make a DeBERTa of transformers whose every weight shows in its output."""
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    sizes = {
        "vocab_size": 31,
        "hidden_size": 12,
        "num_attention_heads": 3,
        "num_hidden_layers": 2,
        "intermediate_size": 20,
        "max_position_embeddings": 16,
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "attn_implementation": "eager",
    } | sizes
    model = getattr(transformers, kind)(transformers.DebertaV2Config(**sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.05, 0.3)
    return model.eval()


@pytest.mark.parametrize("sizes", ODD.values(), ids=ODD)
@torch.no_grad()
def test_a_checkpoint_of_transformers_gives_its_numbers(tmp_path, sizes):
    reference = reference_model(**sizes)
    reference.save_pretrained(tmp_path)
    tokens = torch.randint(31, (3, 14))
    mask = torch.ones(3, 14, dtype=torch.bool)
    mask[1, 9:] = False
    model = Deberta.from_pretrained(tmp_path)
    wanted = reference(tokens, mask.long(), output_hidden_states=True)
    found = model.states(tokens, mask=mask)
    for ours, theirs in zip(found, wanted.hidden_states, strict=True):
        assert_close(ours[mask], theirs[mask], atol=1e-5, rtol=1e-5)
    logits = model(tokens, mask=mask)
    assert_close(logits[mask], wanted.logits[mask], atol=1e-5, rtol=1e-5)
    assert not model.training and all(p.requires_grad for p in model.parameters())
    tied = sizes.get("tie_word_embeddings", True) or not sizes.get("legacy", True)
    assert (model.head.to_logits.weight is model.embedding.weight) == tied


@torch.no_grad()
def test_long_texts_meet_every_group_of_distances(tmp_path):
    reference = reference_model(**REAL | {"max_position_embeddings": 200})
    reference.save_pretrained(tmp_path)
    tokens = torch.randint(31, (1, 180))
    found = Deberta.from_pretrained(tmp_path)(tokens)
    assert_close(found, reference(tokens).logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_attention_alone_equals_that_of_transformers():
    """The released code has δ(i, j) in the third term; the paper's index differs."""
    module = pytest.importorskip("transformers.models.deberta_v2.modeling_deberta_v2")
    config = reference_model(hidden_dropout_prob=0.0).config
    reference = module.DisentangledSelfAttention(config).eval()
    table, x = torch.randn(32, 12), torch.randn(2, 9, 12)
    errors = {}
    for kind in (DebertaAttention, DebertaAttentionAsPrinted):
        ours = kind(12, 3, RelativePositions(12, 16))
        ours.positional_encoding.table.weight.copy_(table)
        for name in ("query", "key", "value"):
            theirs = getattr(reference, f"{name}_proj")
            getattr(ours, f"to_{name}").load_state_dict(theirs.state_dict())
        maps = {"c2p": reference.pos_key_proj, "p2c": reference.pos_query_proj}
        for term, theirs in maps.items():
            ours.position_projections[term].load_state_dict(theirs.state_dict())
        mask = torch.ones(2, 1, 9, 9)
        wanted, _ = reference(x, mask, rel_embeddings=table)
        found = ours.mix(x).transpose(1, 2).flatten(2)
        errors[kind] = (found - wanted).abs().max().item()
    assert errors[DebertaAttention] < 1e-6
    assert errors[DebertaAttentionAsPrinted] > 1e-3


@torch.no_grad()
def test_a_block_that_is_asked_again_answers_as_that_of_transformers(tmp_path):
    """Its `z_steps` ask the last block twice, without absolute positions."""
    reference = reference_model("DebertaV2Model", **REAL)
    reference.save_pretrained(tmp_path)
    model, tokens = Deberta.from_pretrained(tmp_path), torch.randint(31, (2, 10))
    assert isinstance(model.absolute, NoPositions)
    *_, memory, once = reference(tokens, output_hidden_states=True).hidden_states
    encoder = reference.encoder
    wanted, _ = encoder.layer[-1](
        memory,
        encoder.get_attention_mask(torch.ones(2, 10)),
        query_states=once,
        relative_pos=encoder.get_rel_pos(memory),
        rel_embeddings=encoder.get_rel_embedding(),
    )
    memory = model.states(tokens)[-2]
    found = enhanced_mask_decoder(
        model.blocks[-1], memory, memory, 2, positions=torch.arange(10)
    )
    assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_file_without_head_has_hidden_states(tmp_path):
    reference = reference_model("DebertaV2Model", **REAL)
    reference.half().save_pretrained(tmp_path)
    model, tokens = Deberta.from_pretrained(tmp_path), torch.randint(31, (2, 10))
    wanted = reference.float()(tokens).last_hidden_state
    assert_close(model.hidden_states(tokens), wanted, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="has no head"):
        model(tokens)


@torch.no_grad()
def test_several_files_are_read_as_one(tmp_path):
    reference = reference_model(**REAL)
    reference.save_pretrained(tmp_path, max_shard_size=4000)
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    tokens = torch.randint(31, (2, 5))
    found = Deberta.from_pretrained(str(tmp_path))(tokens)
    assert_close(found, reference(tokens).logits, atol=1e-5, rtol=1e-5)


def test_a_loaded_model_can_be_trained_and_stays_tied_and_shared(tmp_path):
    reference_model(**REAL).save_pretrained(tmp_path)
    model = Deberta.from_pretrained(tmp_path)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.randint(31, (2, 5))).square().mean().backward()
    optimizer.step()
    assert model.head.to_logits.weight.equal(model.embedding.weight)
    tables = [
        block.attention.positional_encoding.table.weight for block in model.blocks
    ]
    assert all(table is model.positions.table.weight for table in tables)


@pytest.mark.parametrize("sizes", [{}, {"initializer_range": 0.1}])
def test_the_deviation_is_that_of_the_file(tmp_path, sizes):
    reference_model(**REAL, **sizes).save_pretrained(tmp_path)
    wanted = sizes.get("initializer_range", 0.02)
    assert Deberta.from_pretrained(tmp_path).config.init_std == wanted


@pytest.fixture
def folder(tmp_path):
    reference_model(**REAL).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "deberta"}, "model_type='deberta': only 'deberta-v2'"),
        ({"hidden_act": "tanh"}, "hidden_act='tanh'.*not supported"),
        ({"relative_attention": False}, "relative_attention=False.*only True"),
        ({"relative_attention": "dropped"}, "relative_attention=None.*only True"),
        ({"conv_kernel_size": 3}, "no tensor 'encoder.conv.LayerNorm.weight'"),
        ({"type_vocab_size": 2}, "type_vocab_size=2.*only 0"),
        ({"embedding_size": 6}, "embedding_size=6.*only 12"),
        ({"attention_head_size": 5}, "attention_head_size=5.*only 4"),
        ({"pos_att_type": "p2p"}, "pos_att_type='p2p'.*not supported"),
        ({"pos_att_type": ["p2c", "p2p"]}, "pos_att_type="),
        ({"norm_rel_ebd": "batch_norm"}, "norm_rel_ebd='batch_norm'"),
        ({"quantization_config": {"bits": 4}}, "quantization_config=.*not known"),
        ({"hidden_size": "12"}, "hidden_size='12': a whole number"),
        (
            {"num_attention_heads": 5},
            "json: hidden_size=12 must be a multiple of num_attention_heads=5",
        ),
        ({"num_hidden_layers": "dropped"}, "no field 'num_hidden_layers'"),
        ({"layer_norm_eps": -1}, "layer_norm_eps=-1"),
        ({"position_buckets": 2.5}, "position_buckets=2.5"),
        ({"position_buckets": 1}, "json: position_buckets=1 must be at least 2"),
        ({"max_relative_positions": 3}, "max_relative_positions=3 above 4"),
        # What contradicts the tensors.
        ({"num_hidden_layers": 3}, "no tensor 'encoder.layer.2"),
        ({"num_hidden_layers": 1}, "tensors that the model of its config.json has not"),
        ({"vocab_size": 30}, r"'embeddings.word_embeddings.weight' has shape \(31, 12"),
        ({"intermediate_size": 21}, "'encoder.layer.0.intermediate.dense.weight'"),
        ({"position_buckets": 8}, r"'encoder.rel_embeddings.weight' has shape \(12,"),
        ({"share_att_key": False}, "no tensor 'encoder.layer.0.*pos_"),
        ({"norm_rel_ebd": "none"}, "'encoder.LayerNorm.bias'"),
        ({"position_biased_input": True}, "no tensor 'embeddings.position_embeddings"),
        ({"legacy": False}, "legacy=False, the head in the files is cls.predictions."),
        ({"tie_word_embeddings": False}, "no tensor 'cls.predictions.decoder.weight'"),
    ],
)
def test_a_config_that_does_not_fit_is_one_clear_error(folder, changes, message):
    edit_config(folder, **changes)
    with pytest.raises(ValueError, match=message):
        Deberta.from_pretrained(folder)


LAST = "deberta.encoder.layer.1.output.LayerNorm.bias"
GUESS = "cls.predictions.transform.dense.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.pop(LAST), "no tensor 'encoder.layer.1.output.LayerNorm.bias'"),
        (lambda x: x.pop(GUESS), f"no tensor '{GUESS}'"),
        (lambda x: x.pop("cls.predictions.bias"), "no tensor 'cls.predictions.bias'"),
        (lambda x: x.update({LAST: torch.ones(13)}), r"has shape \(13,\)"),
        (lambda x: x.update({LAST: torch.ones(12).long()}), "int64, floats"),
        (lambda x: x.update({"deberta.new": torch.ones(1)}), "such as 'new'"),
        (
            lambda x: x.update({"cls.predictions.decoder.weight": torch.ones(31, 12)}),
            "decoder.weight differs .* tie_word_embeddings is true",
        ),
        (
            lambda x: x.update({"lm_predictions.lm_head.bias": torch.ones(31)}),
            "legacy=True, the head in the files is cls.* and lm_predictions",
        ),
        (lambda x: x.update({"encoder.layer.0.x": torch.ones(1)}), "encoder.layer.0.x"),
    ],
)
def test_tensors_that_do_not_fit_are_one_clear_error(folder, change, message):
    edit_tensors(folder, change)
    with pytest.raises(ValueError, match=message):
        Deberta.from_pretrained(folder)


def test_what_released_files_hold_beside_the_weights_is_left_alone(folder):
    """Absolute positions of the enhanced mask decoder, a second head, numbers."""
    before = Deberta.from_pretrained(folder)
    extra = {
        "deberta.embeddings.position_embeddings.weight": torch.ones(16, 12),
        "deberta.embeddings.position_ids": torch.arange(16)[None],
        "mask_predictions.dense.weight": torch.ones(12, 12),
    }
    edit_tensors(folder, lambda x: x.update(extra))
    edit_config(folder, legacy="dropped", max_relative_positions=-1)
    tokens = torch.randint(31, (2, 5))
    assert_close(Deberta.from_pretrained(folder)(tokens), before(tokens))


def test_a_released_head_is_found_where_the_config_says_nothing(tmp_path):
    reference = reference_model(**REAL, legacy=False)
    reference.save_pretrained(tmp_path)
    edit_config(tmp_path, legacy="dropped")
    tokens = torch.randint(31, (2, 5))
    found = Deberta.from_pretrained(tmp_path)(tokens)
    assert_close(found, reference(tokens).logits, atol=1e-5, rtol=1e-5)
