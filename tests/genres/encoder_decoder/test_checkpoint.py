"""Seq2Seq reads the T5 that transformers writes, writes it, and refuses the rest."""

import pytest
import torch
from torch.testing import assert_close

from genai_lib.genres.encoder_decoder import Seq2Seq, Seq2SeqConfig, greedy_decode
from genai_lib.genres.inference import beam_search, generate
from tests.genres.checkpoint_files import edit_config, edit_tensors

transformers = pytest.importorskip("transformers")
SMALL = {"vocab_size": 31, "d_model": 12, "d_kv": 4, "num_heads": 3, "d_ff": 20}
SMALL |= {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 12}
ODD = {
    "version 1.0": SMALL,
    "version 1.1": SMALL | {"feed_forward_proj": "gated-gelu", "untied": True},
    "gated, tied": SMALL | {"feed_forward_proj": "gated-gelu"},
    "tied, not scaled": SMALL | {"tie_word_embeddings": False},
    "plain, untied, scaled": SMALL | {"untied": True, "tie_word_embeddings": True},
    "wide heads": SMALL | {"d_kv": 7},
    "narrow heads": SMALL | {"d_model": 15, "d_kv": 2, "num_heads": 4},
    "odd vocabulary": SMALL | {"vocab_size": 257},
    "deeper decoder": SMALL | {"num_layers": 1, "num_decoder_layers": 4},
    "deeper encoder": SMALL | {"num_layers": 4, "num_decoder_layers": 1},
    "one head": SMALL | {"num_heads": 1, "d_kv": 12},
    "usual buckets": SMALL
    | {
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
    },
    "rough": SMALL | {"layer_norm_epsilon": 0.1},
    "odd buckets": SMALL | {"relative_attention_num_buckets": 7},
    "gelu": SMALL | {"feed_forward_proj": "gelu"},
    "gated silu": SMALL | {"feed_forward_proj": "gated-silu"},
    "gated swish": SMALL | {"feed_forward_proj": "gated-swish"},
}


def reference_model(untied=False, **sizes):
    """Make a T5 of transformers whose every weight shows in its output."""
    sizes = {
        "num_layers": 2,
        "dropout_rate": 0.0,
        "decoder_start_token_id": 0,
        "tie_word_embeddings": not untied,
        "attn_implementation": "eager",
    } | sizes
    model = transformers.T5ForConditionalGeneration(transformers.T5Config(**sizes))
    if untied:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.05, 0.3)
    return model.eval()


def padded(vocab_size, lengths=(9, 5, 1), size=9):
    """Draw sources of several lengths, filled up with the pad token 0."""
    source = torch.randint(1, vocab_size, (len(lengths), size))
    return source.masked_fill(torch.arange(size) >= torch.tensor(lengths)[:, None], 0)


@pytest.mark.parametrize("sizes", ODD.values(), ids=ODD)
def test_a_checkpoint_of_transformers_gives_its_numbers(tmp_path, sizes):
    reference = reference_model(**sizes)
    reference.save_pretrained(tmp_path)
    source = padded(sizes["vocab_size"])
    target = torch.randint(sizes["vocab_size"], (3, 17))
    target[:, 0] = 0

    model = Seq2Seq.from_pretrained(tmp_path)

    real = source != 0
    with torch.no_grad():
        wanted = reference(
            source,
            attention_mask=real,
            decoder_input_ids=target,
            output_hidden_states=True,
        )
        memory = model.encode(source)
        hidden = model.hidden_states(target, model.start(source))
        logits = model(source, target)
    seen = wanted.encoder_last_hidden_state[real]
    assert_close(memory[real], seen, atol=1e-5, rtol=1e-5)
    last = wanted.decoder_hidden_states[-1]
    assert_close(hidden, last, atol=1e-5, rtol=1e-5)
    assert_close(logits, wanted.logits, atol=1e-5, rtol=1e-5)
    theirs = sum(p.numel() for p in reference.parameters())
    assert sum(p.numel() for p in model.parameters()) == theirs
    assert model.config.parameters == theirs
    assert not model.training and all(p.requires_grad for p in model.parameters())


def generate_there(reference, source, length, **options):
    """Generate with transformers; its cache knows no decoder of another depth."""
    config = reference.config
    same_depth = config.num_layers == config.num_decoder_layers
    return reference.generate(
        source,
        attention_mask=(source != 0),
        max_new_tokens=length,
        do_sample=False,
        use_cache=same_depth,
        **options,
    )


@pytest.mark.parametrize("sizes", ODD.values(), ids=ODD)
def test_greedy_and_beam_search_write_what_transformers_writes(tmp_path, sizes):
    reference = reference_model(**sizes)
    reference.save_pretrained(tmp_path)
    model = Seq2Seq.from_pretrained(tmp_path)
    source = padded(sizes["vocab_size"])

    wanted = generate_there(reference, source, 8)
    found = greedy_decode(model, source, 8)
    ended = (found == 1).cumsum(1) - (found == 1).long() > 0
    assert found.masked_fill(ended, 0).equal(wanted[:, 1:])
    assert_same_beams(model, reference, source[1:2, :5], 7)


def assert_same_beams(model, reference, source, length, penalty=1.0):
    wanted = generate_there(
        reference,
        source,
        length,
        num_beams=4,
        num_return_sequences=4,
        length_penalty=penalty,
        return_dict_in_generate=True,
        output_scores=True,
    )
    beams = beam_search(
        model.conditioned_on(source),
        torch.tensor([0]),
        length,
        beams=4,
        length_penalty=penalty,
        end_token=1,
    )
    assert len(beams) == 4
    theirs = zip(wanted.sequences[:, 1:], wanted.sequences_scores, strict=True)
    for beam, (tokens, score) in zip(beams, theirs, strict=True):
        assert beam.tokens.equal(tokens[: len(beam.tokens)])
        # Behind the end there is nothing but ends or pads.
        assert (tokens[len(beam.tokens) :] <= 1).all()
        assert abs(beam.score - score.item()) < 1e-4
    return [len(beam.tokens) for beam in beams]


def test_texts_that_end_early_are_the_same_too(tmp_path):
    """With a head that likes the end token, beams finish at different lengths."""
    reference = reference_model(**ODD["version 1.1"])
    with torch.no_grad():
        head = reference.lm_head.weight
        head[1] = 0.8 * head[5:9].mean(dim=0) + 0.3
    reference.save_pretrained(tmp_path)
    model, lengths = Seq2Seq.from_pretrained(tmp_path), set()
    for row, penalty in zip(padded(31, (9,) * 4), (1.0, 0.0, 1.0, 2.0), strict=True):
        lengths |= set(assert_same_beams(model, reference, row[None], 9, penalty))
    assert len(lengths) > 2


def test_a_stream_can_be_sampled(tmp_path):
    reference_model(**SMALL).save_pretrained(tmp_path)
    model = Seq2Seq.from_pretrained(tmp_path)
    generator = torch.Generator().manual_seed(0)
    prompt = torch.zeros(3, 1, dtype=torch.int64)
    source = padded(31)
    drawn = list(generate(model.conditioned_on(source), prompt, 5, generator=generator))
    assert len(drawn) == 5 and drawn[0].shape == (3,)


def test_several_files_are_read_as_one(tmp_path):
    reference = reference_model(**ODD["version 1.1"])
    reference.save_pretrained(tmp_path, max_shard_size=6000)
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    source, target = padded(31), torch.randint(31, (3, 4))
    wanted = reference(source, (source != 0), decoder_input_ids=target).logits
    found = Seq2Seq.from_pretrained(str(tmp_path))(source, target)
    assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_files_of_the_hub_with_copies_and_without_new_fields(tmp_path):
    """Old files store the table three times, and a bias that nothing reads."""
    reference = reference_model(**SMALL)
    reference.save_pretrained(tmp_path)

    def change(tensors):
        for name in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):
            tensors[name] = tensors["shared.weight"].clone()
        tensors["lm_head.weight"] = tensors["shared.weight"].clone()
        unread = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias"
        tensors[f"{unread}.weight"] = torch.ones(8, 3)

    edit_tensors(tmp_path, change)
    dropped = ("scale_decoder_outputs", "dense_act_fn", "is_gated_act")
    dropped += ("relative_attention_max_distance", "num_decoder_layers")
    edit_config(tmp_path, n_positions=512, **dict.fromkeys(dropped, "dropped"))
    edit_config(tmp_path, relative_attention_max_distance=12)
    source, target = padded(31), torch.randint(31, (3, 4))
    model = Seq2Seq.from_pretrained(tmp_path)
    wanted = reference(source, (source != 0), decoder_input_ids=target).logits
    assert_close(model(source, target), wanted, atol=1e-5, rtol=1e-5)
    assert model.to_logits.weight is model.embedding.weight


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tied": False, "feed_forward": "gated-gelu"},
        {"tied": True, "scaled": False, "decoder_layers": 3},
        {"tied": False, "scaled": True, "encoder_layers": 1},
        {"max_distance": 20, "epsilon": 1e-3, "pad_token": 2, "end_token": 3},
        {"start_token": 4},
    ],
)
def test_what_is_written_is_read_again_and_by_transformers(tmp_path, options):
    config = Seq2SeqConfig(
        11, width=12, heads=3, head_width=5, ffn_width=7, buckets=8, **options
    )
    model = Seq2Seq(config)
    model.save_pretrained(tmp_path / "new")
    source, target = padded(11), torch.randint(11, (3, 6))
    again = Seq2Seq.from_pretrained(tmp_path / "new")
    assert again.config == config
    assert_close(again(source, target), model(source, target), atol=0, rtol=0)
    kind = transformers.T5ForConditionalGeneration
    theirs = kind.from_pretrained(tmp_path / "new").eval()
    wanted = theirs(source, source != config.pad_token, decoder_input_ids=target).logits
    assert_close(model(source, target), wanted, atol=1e-5, rtol=1e-5)


def test_a_loaded_model_can_be_trained_and_shares_what_is_shared(tmp_path):
    reference_model(**SMALL).save_pretrained(tmp_path)
    model = Seq2Seq.from_pretrained(tmp_path)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(padded(31), torch.randint(31, (3, 5))).square().mean().backward()
    optimizer.step()
    assert model.to_logits.weight is model.embedding.weight
    for stack in (model.encoder, model.decoder):
        tables = {block.attention.positional_encoding.table.weight for block in stack}
        assert len(tables) == 1 and next(iter(tables)).grad.any()


@pytest.fixture
def folder(tmp_path):
    reference_model(**SMALL).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "mt5"}, "model_type='mt5': only 't5'"),
        ({"feed_forward_proj": "tanh"}, "feed_forward_proj='tanh'.*not supported"),
        ({"is_encoder_decoder": False}, "is_encoder_decoder=False.*only True"),
        ({"is_gated_act": True}, "is_gated_act=True.*only False"),
        ({"dense_act_fn": "gelu"}, "dense_act_fn='gelu'.*only 'relu'"),
        ({"quantization_config": {"bits": 4}}, "quantization_config=.*not known"),
        ({"d_model": "12"}, "d_model='12': a whole number"),
        ({"num_heads": 0}, "num_heads=0"),
        ({"d_kv": "dropped"}, "no field 'd_kv'"),
        ({"layer_norm_epsilon": -1}, "layer_norm_epsilon=-1"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings='yes'"),
        ({"pad_token_id": -1}, "pad_token_id=-1"),
        ({"eos_token_id": [1, 2]}, r"eos_token_id=\[1, 2\]: one token"),
        ({"decoder_start_token_id": 31}, "json: decoder_start_token_id=31 must be"),
        ({"eos_token_id": 99}, "json: eos_token_id=99 must be from 0"),
        # What contradicts the tensors or itself.
        ({"num_layers": 3}, "no tensor 'encoder.block.2"),
        ({"num_decoder_layers": 3}, "no tensor 'decoder.block.2"),
        ({"num_layers": 1}, "tensors that the model .* has not.*encoder.block.1"),
        ({"num_decoder_layers": 1}, "has not, such as 'decoder.block.1"),
        ({"vocab_size": 30}, r"'shared.weight' has shape \(31, 12\).*\(30, 12\)"),
        ({"d_kv": 5}, r"'encoder.block.0.*shape \(12, 12\).*\(15, 12\)"),
        ({"d_ff": 21}, r"wi.weight' has shape \(20, 12\)"),
        ({"relative_attention_num_buckets": 16}, "relative_attention_bias.weight' has"),
        ({"relative_attention_max_distance": 1}, "_max_distance=1 must be above"),
        (
            {"feed_forward_proj": "gated-relu", "is_gated_act": True},
            "no tensor .*wi_1.weight",
        ),
        ({"tie_word_embeddings": False}, "no tensor 'lm_head.weight'"),
    ],
)
def test_a_config_that_does_not_fit_is_one_clear_error(folder, changes, message):
    edit_config(folder, **changes)
    with pytest.raises(ValueError, match=message):
        Seq2Seq.from_pretrained(folder)


NORM = "decoder.block.1.layer.2.layer_norm.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.pop(NORM), f"no tensor '{NORM}'"),
        (lambda x: x.update({NORM: torch.ones(13)}), r"has shape \(13,\)"),
        (lambda x: x.update({NORM: torch.ones(12).long()}), "int64, floats"),
        (lambda x: x.update({"encoder.new": torch.ones(1)}), "encoder.new"),
        (lambda x: x.pop("shared.weight"), "no tensor 'shared.weight'"),
        (
            lambda x: x.update({"encoder.embed_tokens.weight": torch.ones(31, 12)}),
            "encoder.embed_tokens.weight differs from shared.weight",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_one_clear_error(folder, change, message):
    edit_tensors(folder, change)
    with pytest.raises(ValueError, match=message):
        Seq2Seq.from_pretrained(folder)


def test_a_head_that_contradicts_an_old_config_is_an_error(folder):
    head = {"lm_head.weight": torch.ones(31, 12)}
    edit_tensors(folder, lambda x: x.update(head))
    edit_config(folder, scale_decoder_outputs="dropped")
    with pytest.raises(ValueError, match="lm_head.weight differs .* is true"):
        Seq2Seq.from_pretrained(folder)


def test_other_normalisers_are_not_written(tmp_path):
    model = Seq2Seq(Seq2SeqConfig(9), normalize=torch.softmax)
    with pytest.raises(ValueError, match="only softmax fits"):
        model.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()
