"""BERT reads what transformers writes, is read by it, and refuses what is broken."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close

from genai_lib.components.positions import AlibiPositions
from genai_lib.genres.encoder_only import (
    Bert,
    BertClassifier,
    BertConfig,
    masked_loss,
    padding_mask,
)
from tests.genres.checkpoint_files import edit_config, edit_tensors

transformers = pytest.importorskip("transformers")
SMALL = {
    "vocab_size": 31,
    "max_position_embeddings": 9,
    "hidden_size": 12,
    "num_attention_heads": 3,
    "intermediate_size": 20,
}
FOREIGN = {
    "small": {},
    "heads": {"num_attention_heads": 12},
    "one head": {"num_attention_heads": 1, "hidden_size": 15},
    "layers": {"num_hidden_layers": 5},
    "inner width": {"intermediate_size": 7},
    "token_types": {"type_vocab_size": 5},
    "one type": {"type_vocab_size": 1},
    "odd vocabulary": {"vocab_size": 257},
    "relu": {"hidden_act": "relu"},
    "tanh gelu": {"hidden_act": "gelu_new"},
    "silu": {"hidden_act": "silu"},
    "rough": {"layer_norm_eps": 0.1},
    "own scores": {"tie_word_embeddings": False},
}


def reference_model(kind="BertForMaskedLM", **sizes):
    """Make a BERT of transformers whose every weight shows in its output."""
    sizes = {"num_hidden_layers": 2, "attn_implementation": "eager"} | SMALL | sizes
    model = getattr(transformers, kind)(transformers.BertConfig(**sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.05, 0.25)
    return model.eval()


def inputs(vocab_size=31, token_types=2):
    """Return tokens and types, both of shape (3, 8)."""
    return torch.randint(vocab_size, (3, 8)), torch.randint(token_types, (3, 8))


@pytest.mark.parametrize("sizes", FOREIGN.values(), ids=FOREIGN)
def test_a_masked_model_of_transformers_gives_its_numbers(tmp_path, sizes):
    reference = reference_model(**sizes)
    reference.save_pretrained(tmp_path)
    sizes = SMALL | {"type_vocab_size": 2} | sizes
    tokens, token_types = inputs(sizes["vocab_size"], sizes["type_vocab_size"])

    model = Bert.from_pretrained(tmp_path)

    assert model.pooler is None
    with torch.no_grad():
        wanted = reference(
            tokens, token_type_ids=token_types, output_hidden_states=True
        )
        hidden, logits = (
            model.hidden_states(tokens, token_types),
            model(tokens, token_types),
        )
        assert_close(hidden, wanted.hidden_states[-1], atol=1e-5, rtol=1e-5)
        assert_close(logits, wanted.logits, atol=1e-5, rtol=1e-5)
        plain = reference(tokens).logits
        assert_close(model(tokens), plain, atol=1e-5, rtol=1e-5)
    theirs = sum(p.numel() for p in reference.parameters())
    if not model.config.tied:
        theirs -= sizes["vocab_size"]  # Theirs keeps a bias that it does not use.
    assert model.config.parameters == theirs
    assert sum(p.numel() for p in model.parameters()) == theirs
    assert not model.training and all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("sizes", FOREIGN.values(), ids=FOREIGN)
def test_a_bare_model_of_transformers_gives_its_numbers(tmp_path, sizes):
    reference = reference_model("BertModel", **sizes)
    reference.save_pretrained(tmp_path)
    sizes = SMALL | {"type_vocab_size": 2} | sizes
    tokens, token_types = inputs(sizes["vocab_size"], sizes["type_vocab_size"])

    model = Bert.from_pretrained(tmp_path)

    with torch.no_grad():
        wanted = reference(tokens, token_type_ids=token_types)
        hidden, pooled = (
            model.hidden_states(tokens, token_types),
            model.pooled(tokens, token_types),
        )
    assert_close(hidden, wanted.last_hidden_state, atol=1e-5, rtol=1e-5)
    assert_close(pooled, wanted.pooler_output, atol=1e-5, rtol=1e-5)
    assert model.config.parameters == sum(p.numel() for p in reference.parameters())
    with pytest.raises(ValueError, match="this model has no head"):
        model(tokens)


def test_padding_is_seen_by_nobody(tmp_path):
    reference = reference_model()
    reference.save_pretrained(tmp_path)
    model, (tokens, _) = Bert.from_pretrained(tmp_path), inputs()
    tokens = tokens.clamp(min=1)
    tokens[1, 5:] = tokens[2, 2:] = 0
    real = tokens != 0
    with torch.no_grad():
        wanted = reference(tokens, attention_mask=real.long()).logits
        found = model(tokens, mask=padding_mask(tokens, 0))
        assert_close(found[real], wanted[real], atol=1e-5, rtol=1e-5)
        # As if the rows ended there.
        short = model(tokens[2:, :2])
    assert_close(found[2:, :2], short, atol=1e-5, rtol=1e-5)


def test_the_loss_is_that_of_transformers(tmp_path):
    reference = reference_model()
    reference.save_pretrained(tmp_path)
    model, (tokens, _) = Bert.from_pretrained(tmp_path), inputs()
    targets = torch.where(torch.rand(3, 8) < 0.4, tokens, -100)
    targets[0, 0] = 4
    wanted = reference(tokens, labels=targets).loss
    assert_close(masked_loss(model, (tokens, targets)), wanted)


def test_a_classifier_is_that_of_transformers(tmp_path):
    reference = reference_model("BertForSequenceClassification", num_labels=5)
    reference.bert.save_pretrained(tmp_path)
    model = BertClassifier(Bert.from_pretrained(tmp_path), 5).eval()
    model.to_classes.load_state_dict(reference.classifier.state_dict())
    tokens, token_types = inputs()
    wanted = reference(tokens, token_type_ids=token_types).logits
    assert_close(model(tokens, token_types), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["BertForMaskedLM", "BertForPreTraining"])
@pytest.mark.parametrize("tied", [True, False])
def test_several_files_are_read_as_one(tmp_path, kind, tied):
    reference = reference_model(kind, tie_word_embeddings=tied)
    reference.save_pretrained(tmp_path, max_shard_size=3000)
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    tokens, _ = inputs()
    model, wanted = Bert.from_pretrained(str(tmp_path)), reference(tokens)
    logits = getattr(wanted, "prediction_logits", wanted[0])
    assert_close(model(tokens), logits, atol=1e-5, rtol=1e-5)
    # A model trained on the next sentence has a pooler, the other has none.
    assert (model.pooler is None) == (kind == "BertForMaskedLM")


def test_the_file_of_the_hub_is_read(tmp_path):
    """It has old names, numbers of positions, the scores twice, in half precision."""
    reference = reference_model("BertForPreTraining").half()
    reference.save_pretrained(tmp_path)

    def age(tensors):
        old = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            ): tensor
            for name, tensor in tensors.items()
        }
        head = "cls.predictions."
        table = old["bert.embeddings.word_embeddings.weight"]
        old[f"{head}decoder.weight"] = table.clone()
        old[f"{head}decoder.bias"] = old[f"{head}bias"].clone()
        old["bert.embeddings.position_ids"] = torch.arange(9)[None]
        return old

    edit_tensors(tmp_path, age)
    edit_config(
        tmp_path,
        architectures=["BertForMaskedLM"],
        position_embedding_type="absolute",
        directionality="bidi",
        pooler_type="first_token_transform",
        gradient_checkpointing=False,
    )
    tokens, token_types = inputs()
    model = Bert.from_pretrained(tmp_path)
    wanted = reference.float()(tokens, token_type_ids=token_types)
    logits = model(tokens, token_types)
    assert_close(logits, wanted.prediction_logits, atol=1e-5, rtol=1e-5)
    assert model.head.to_logits.weight is model.embedding.weight
    assert model.pooler is not None


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("pooler", [True, False])
def test_what_is_written_is_read_again_and_by_transformers(
    tmp_path, tied, head, pooler
):
    parts = {"head": head, "pooler": pooler, "tied": tied}
    sizes = {"ffn_width": 5, "token_types": 3, "epsilon": 1e-3, "init_std": 0.1}
    config = BertConfig(11, 8, 12, 3, **sizes, **parts)
    model = lively(config)
    model.save_pretrained(tmp_path / "new")
    tokens, token_types = inputs(11, 3)
    again = Bert.from_pretrained(tmp_path / "new")
    assert again.config == config
    wanted = model.hidden_states(tokens, token_types)
    assert_close(again.hidden_states(tokens, token_types), wanted, atol=0, rtol=0)
    if head:
        assert_close(
            again(tokens, token_types), model(tokens, token_types), atol=0, rtol=0
        )
        theirs = transformers.BertForMaskedLM.from_pretrained(tmp_path / "new")
        found = theirs.eval()(tokens, token_type_ids=token_types).logits
        assert_close(model(tokens, token_types), found, atol=1e-5, rtol=1e-5)
    else:
        theirs = transformers.BertModel.from_pretrained(tmp_path / "new").eval()
        found = theirs(tokens, token_type_ids=token_types)
        assert_close(wanted, found.last_hidden_state, atol=1e-5, rtol=1e-5)
        if pooler:
            pooled = model.pooled(tokens, token_types)
            assert_close(pooled, found.pooler_output, atol=1e-5, rtol=1e-5)


def lively(config):
    model = Bert(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.1, 0.4)
    return model


def test_a_loaded_model_can_be_trained_and_stays_tied(tmp_path):
    reference_model().save_pretrained(tmp_path)
    model = Bert.from_pretrained(tmp_path)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(inputs()[0]).square().mean().backward()
    optimizer.step()
    assert model.head.to_logits.weight.equal(model.embedding.weight)


def test_only_what_fits_bert_is_written(tmp_path):
    model = Bert(BertConfig(vocab_size=5), positional_encoding=AlibiPositions(4))
    with pytest.raises(ValueError, match="only softmax and learned positions"):
        model.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.fixture
def folder(tmp_path):
    reference_model().save_pretrained(tmp_path)
    return tmp_path


@pytest.fixture
def nothing_made(monkeypatch):
    """Fail when a model gets numbers before all has been read."""

    def refuse(self, *arguments, **options):
        raise AssertionError("a model got its numbers")

    monkeypatch.setattr(Bert, "load_state_dict", refuse)


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gpt2"}, "model_type='gpt2': only 'bert'"),
        ({"hidden_act": "tanh"}, "hidden_act='tanh'.*not supported"),
        ({"position_embedding_type": "relative_key"}, "relative_key.*only 'absolute'"),
        ({"is_decoder": True}, "is_decoder=True.*only False"),
        ({"add_cross_attention": True}, "add_cross_attention=True"),
        ({"is_encoder_decoder": True}, "is_encoder_decoder=True"),
        ({"quantization_config": {"bits": 4}}, "quantization_config=.*not known"),
        ({"embedding_size": 8}, "embedding_size=8: this option is not known"),
        ({"hidden_size": "12"}, "hidden_size='12': a whole number"),
        ({"num_attention_heads": 0}, "num_attention_heads=0"),
        (
            {"num_attention_heads": 5},
            "json: hidden_size=12 must be a multiple of num_attention_heads=5",
        ),
        ({"num_hidden_layers": True}, "num_hidden_layers=True"),
        ({"num_hidden_layers": "dropped"}, "no field 'num_hidden_layers'"),
        ({"intermediate_size": "dropped"}, "no field 'intermediate_size'"),
        ({"layer_norm_eps": -1}, "layer_norm_eps=-1"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings='yes'"),
        # What contradicts the tensors.
        ({"num_hidden_layers": 3}, "no tensor 'encoder.layer.2"),
        ({"num_hidden_layers": 1}, "of its config.json has not.*layer.1"),
        ({"vocab_size": 30}, r"word_embeddings.weight' has shape \(31, 12\)"),
        ({"type_vocab_size": 3}, "token_type_embeddings.weight' has shape"),
        ({"max_position_embeddings": 10}, "position_embeddings.weight' has shape"),
        ({"intermediate_size": 48}, "layer.0.intermediate.dense.weight' has shape"),
        ({"hidden_size": 24}, "word_embeddings.weight' has shape"),
        ({"tie_word_embeddings": False}, "no tensor 'cls.predictions.decoder.weight'"),
    ],
)
def test_a_config_that_does_not_fit_is_one_clear_error(folder, changes, message):
    edit_config(folder, **changes)
    with pytest.raises(ValueError, match=message):
        Bert.from_pretrained(folder)


LAYER = "bert.encoder.layer.1."


@pytest.mark.usefixtures("nothing_made")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x.update({LAYER + "output.LayerNorm.weight": torch.ones(13)}),
            r"layer.1.output.LayerNorm.weight' has shape \(13,\)",
        ),
        (
            lambda x: x.update({"cls.predictions.bias": torch.ones(31).long()}),
            "'cls.predictions.bias' has .*int64, floats",
        ),
        (
            lambda x: x.update({"cls.predictions.decoder.weight": torch.ones(31, 12)}),
            "decoder.weight differs from embeddings.* tie_word_embeddings is true",
        ),
        (
            lambda x: x.update({"cls.predictions.decoder.bias": torch.ones(31)}),
            "decoder.bias differs from cls.predictions.bias",
        ),
        (lambda x: x.update({"bert.new": torch.ones(1)}), "'new'"),
        (lambda x: x.update({"classifier.weight": torch.ones(2, 12)}), "classifier"),
        (
            lambda x: x.update({"bert.pooler.dense.bias": torch.ones(12)}),
            "no tensor 'pooler.dense.weight'",
        ),
        (
            lambda x: x.update({LAYER + "output.LayerNorm.gamma": torch.ones(12)}),
            "under two names",
        ),
        (
            lambda x: x.update({"embeddings.LayerNorm.bias": torch.ones(12)}),
            "with and without",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_one_clear_error(folder, change, message):
    edit_tensors(folder, change)
    with pytest.raises(ValueError, match=message):
        Bert.from_pretrained(folder)


@pytest.mark.usefixtures("nothing_made")
def test_each_missing_tensor_is_named(folder):
    path = folder / "model.safetensors"
    whole = load_file(path)
    assert len(whole) == 5 + 2 * 16 + 5
    for name in whole:
        save_file({other: x for other, x in whole.items() if other != name}, path)
        wanted = name.removeprefix("bert.")
        with pytest.raises(ValueError, match=f"has no tensor '{wanted}'"):
            Bert.from_pretrained(folder)


@pytest.mark.usefixtures("nothing_made")
def test_each_transposed_matrix_is_an_error(folder):
    path = folder / "model.safetensors"
    whole = load_file(path)
    for name, tensor in whole.items():
        if tensor.ndim == 2 and tensor.shape[0] != tensor.shape[1]:
            save_file(whole | {name: tensor.T.contiguous()}, path)
            with pytest.raises(ValueError, match="has shape"):
                Bert.from_pretrained(folder)


@pytest.mark.usefixtures("nothing_made")
def test_a_file_without_its_head_is_an_error(folder):
    edit_tensors(
        folder, lambda x: {k: v for k, v in x.items() if not k.startswith("cls.")}
    )
    with pytest.raises(ValueError, match="no tensor 'cls.predictions.transform"):
        Bert.from_pretrained(folder)
