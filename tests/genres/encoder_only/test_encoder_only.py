"""BERT: both sides seen, laws of its parts, counted, able to learn."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.testing import assert_close

from genai_lib.components.attention import (
    causal_mask,
    next_token_loss,
    record_attention,
)
from genai_lib.components.positions import (
    AlibiPositions,
    BucketPositions,
    RotaryPositions,
)
from genai_lib.components.softmax import softmax
from genai_lib.genres.encoder_only import (
    Bert,
    BertClassifier,
    BertConfig,
    mask_tokens,
    masked_loss,
    masked_loss_fast,
    padding_mask,
)
from genai_lib.training import fit

SMALL = BertConfig(
    11, context=9, width=12, heads=3, layers=2, ffn_width=20, token_types=3
)
SHARP = partial(softmax, temperature=0.5)
VARIANTS = {
    "as published": dict,
    "another normaliser": lambda: {"normalize": SHARP},
    "slopes": lambda: {"positional_encoding": AlibiPositions(3)},
    "rotations": lambda: {"positional_encoding": RotaryPositions(4)},
}


def lively(config=SMALL, **options):
    """Make a BERT whose weights are so large that every part of it shows."""
    model = Bert(config, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.1, 0.4)
    return model.eval()


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
class TestEveryVariant:
    def test_every_token_changes_every_position(self, options):
        model, tokens = lively(**options()), torch.randint(10, (1, 7))
        before = model(tokens)
        assert before.shape == (1, 7, 11)
        for place in (0, 3, 6):
            changed = tokens.clone()
            changed[:, place] = 10
            differs = ~torch.isclose(model(changed), before, atol=1e-5).all(-1)
            assert differs.all()

    def test_a_causal_mask_makes_it_read_one_side(self, options):
        model, tokens = lively(**options()), torch.randint(10, (3, 7))
        changed = tokens.clone()
        changed[:, 4:] = 10
        before, after = (model(x, mask=causal_mask(7)) for x in (tokens, changed))
        assert_close(after[:, :4], before[:, :4])
        assert not torch.isclose(after[:, 4:], before[:, 4:]).all()

    def test_order_matters(self, options):
        model, tokens = lively(**options()), torch.tensor([[1, 2, 3, 4]])
        swapped = tokens[:, [1, 0, 2, 3]]
        assert not torch.isclose(model(tokens)[0, -1], model(swapped)[0, -1]).all()

    def test_rows_of_a_batch_do_not_meet(self, options):
        model, tokens = lively(**options()), torch.randint(11, (3, 5))
        assert_close(model(tokens)[1:2], model(tokens[1:2]), atol=1e-5, rtol=1e-5)


def test_without_positions_it_sees_a_set():
    """Swapped inputs give swapped outputs: nothing but positions knows the order."""
    model = lively()
    nn.init.zeros_(model.positional_encoding.table.weight)
    tokens, order = torch.tensor([[4, 2, 9, 2, 7]]), [3, 0, 4, 1, 2]
    before, after = model(tokens), model(tokens[:, order])
    assert_close(after, before[:, order], atol=1e-5, rtol=1e-5)


def test_padding_hides_what_it_marks():
    model, tokens = lively(), torch.tensor([[3, 4, 5, 0, 0], [1, 2, 3, 4, 5]])
    mask = padding_mask(tokens, 0)
    assert mask.shape == (2, 1, 1, 5)
    with record_attention(model) as seen:
        model(tokens, mask=mask)
    assert len(seen) == 2
    for (weights,) in seen.values():
        assert not weights[0, ..., 3:].any()
        assert (weights[1] > 0).all()


def test_each_argument_reaches_every_attention():
    positional_encoding = AlibiPositions(3)
    model = Bert(SMALL, SHARP, positional_encoding)
    assert {b.attention.normalize for b in model.blocks} == {SHARP}
    assert {b.attention.positional_encoding for b in model.blocks} == {
        positional_encoding
    }


def test_the_entrance_by_hand():
    """The sum of three vectors, then a normalisation; blocks without weights add 0."""
    model = Bert(BertConfig(3, 2, 2, heads=1, layers=1, epsilon=1e-12, head=False))
    with torch.no_grad():
        for parameter in model.blocks.parameters():
            parameter.zero_()
        for norm in (model.blocks[0].attention_norm, model.blocks[0].feed_forward_norm):
            norm.weight.fill_(1)
        model.embedding.weight[2] = torch.tensor([5.0, 0.0])
        model.positional_encoding.table.weight[1] = torch.tensor([0.0, 2.0])
        model.type_embedding.weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 9.0]]))
    tokens, token_types = torch.tensor([[0, 2]]), torch.tensor([[0, 1]])
    # (5, 2) has the mean 3.5, so it becomes (1, -1); with the other type (5, 11).
    found = [
        model.hidden_states(tokens)[0, 1],
        model.hidden_states(tokens, token_types)[0, 1],
    ]
    assert_close(torch.stack(found), torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))


def test_types_are_zeros_by_default_and_tell_texts_apart():
    model, tokens = lively(), torch.randint(11, (2, 6))
    zeros = torch.zeros_like(tokens)
    assert_close(model(tokens), model(tokens, zeros))
    token_types = zeros.clone()
    token_types[:, 3:] = 2
    assert not torch.isclose(model(tokens, token_types), model(tokens)).all()


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        BertConfig(7, context=5, width=6, heads=1, layers=3, tied=False, token_types=1),
        BertConfig(7, context=5, width=6, heads=2, head=False),
        BertConfig(7, context=5, width=6, heads=2, pooler=False),
        BertConfig(vocab_size=100),
    ],
)
def test_parameters_are_counted(config):
    assert config.parameters == sum(p.numel() for p in Bert(config).parameters())


@pytest.mark.parametrize(
    ("head", "pooler", "count"),
    [(False, True, 109_482_240), (True, False, 109_514_298)],
)
def test_the_base_model_has_110_million_parameters(head, pooler, count):
    """The counts are those of BertModel and BertForMaskedLM in transformers."""
    config = BertConfig.base(head=head, pooler=pooler)
    with torch.device("meta"):
        model = Bert(config)
    assert sum(p.numel() for p in model.parameters()) == count == config.parameters


def test_initial_weights_are_small_and_all_tokens_about_as_likely():
    model = Bert(BertConfig(vocab_size=500, width=128, context=200))
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding) and module.weight.numel() > 999:
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.04)
        if isinstance(module, nn.Linear):
            assert not module.bias.any()
    tokens = torch.randint(500, (4, 200))
    loss = masked_loss(model, mask_tokens(tokens, 0, 500))
    assert loss.item() == pytest.approx(torch.tensor(500.0).log().item(), rel=0.03)


def test_a_tied_head_is_the_embedding_and_a_constant():
    tied, free = lively(), lively(BertConfig(vocab_size=11, tied=False))
    assert tied.head.to_logits.weight is tied.embedding.weight
    assert free.head.to_logits.weight is not free.embedding.weight
    tokens = torch.randint(11, (2, 4))
    transformed = functional.gelu(tied.head.transform(tied.hidden_states(tokens)))
    mixed = tied.head.norm(transformed)
    wanted = mixed @ tied.embedding.weight.T + tied.head.to_logits.bias
    assert_close(tied(tokens), wanted, atol=1e-5, rtol=1e-5)


def test_the_pooler_and_the_classifier_read_the_first_position():
    model, tokens = lively(), torch.randint(11, (3, 5))
    first = model.hidden_states(tokens)[:, 0]
    wanted = (first @ model.pooler.weight.T + model.pooler.bias).tanh()
    assert_close(model.pooled(tokens), wanted)
    classifier = BertClassifier(model, 4)
    assert classifier(tokens).shape == (3, 4)
    assert_close(classifier(tokens), classifier.to_classes(wanted))


def test_only_learned_positions_limit_the_length():
    long = torch.randint(11, (1, 10))
    with pytest.raises(ValueError, match="tokens: 10 are more than context=9"):
        Bert(SMALL)(long)
    assert Bert(SMALL, positional_encoding=AlibiPositions(3))(long).shape == (1, 10, 11)


def test_it_learns_what_only_the_right_side_tells():
    """Each row begins with its last token, so nothing on the left helps."""
    generator = torch.Generator().manual_seed(0)

    def batches():
        while True:
            rows = torch.randint(1, 9, (32, 6), generator=generator)
            rows[:, 0] = rows[:, -1]
            inputs, targets = rows.clone(), torch.full_like(rows, -100)
            inputs[:, 0], targets[:, 0] = 0, rows[:, 0]
            yield inputs, targets

    torch.manual_seed(0)
    config = BertConfig(9, context=6, width=16, heads=2, layers=1, init_std=0.1)
    both, left = Bert(config), Bert(config)
    fit(both, batches(), masked_loss, steps=250, learning_rate=1e-2)

    def one_sided(model, batch):
        return masked_loss(partial(model, mask=causal_mask(6)), batch)

    fit(left, batches(), one_sided, steps=60, learning_rate=1e-2)
    with torch.no_grad():
        batch = next(batches())
        assert masked_loss(both, batch) < 0.2
        assert one_sided(left, batch) > 1.8


def test_the_same_blocks_train_as_a_language_model():
    torch.manual_seed(0)
    model, tokens = Bert(SMALL), torch.randint(11, (4, 9))

    def loss(model, batch):
        return next_token_loss(partial(model, mask=causal_mask(8)), batch)

    history = fit(model, iter([tokens] * 150), loss, steps=150, learning_rate=1e-2)
    # The first token of each row tells little about the second.
    assert history.losses[-1] < 0.4 < 2 < history.losses[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vocab_size": 0}, "vocab_size=0"),
        ({"width": 10}, "width=10 must be a multiple of heads=4"),
        ({"width": 6.0}, "width=6.0"),
        ({"ffn_width": 0}, "ffn_width=0"),
        ({"token_types": 0}, "token_types=0"),
        ({"activation": "tanh"}, "activation='tanh' must be one of gelu_new"),
        ({"epsilon": 0.0}, "epsilon=0.0"),
        ({"init_std": -1.0}, "init_std=-1.0"),
    ],
)
def test_sizes_that_cannot_be_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        BertConfig(**({"vocab_size": 5} | change))


def test_inputs_that_cannot_be_are_named():
    model, tokens = Bert(SMALL), torch.zeros(2, 3).long()
    for wrong in (torch.zeros(3).long(), torch.zeros(1, 3), [[1, 2]]):
        with pytest.raises(ValueError, match=r"tokens=.* integers of shape \(B, T\)"):
            model(wrong)
    with pytest.raises(ValueError, match="tokens from 3 to 11 must be from 0 to 10"):
        model(torch.tensor([[3, 11]]))
    with pytest.raises(ValueError, match="types from 0 to 3 must be from 0 to 2"):
        model(tokens, tokens.clone().fill_(3).tril())
    with pytest.raises(
        ValueError, match="token_types=.* must have the shape of tokens"
    ):
        model(tokens, torch.zeros(1, 3).long())
    with pytest.raises(ValueError, match="mask=.*boolean"):
        model(tokens, mask=torch.ones(3, 3))
    with pytest.raises(ValueError, match=r"mask=.* \(Q, K\) or 4"):
        model(tokens, mask=torch.ones(1, 3, 3).bool())
    bare = Bert(BertConfig(5, head=False, pooler=False))
    with pytest.raises(ValueError, match="has no head"):
        bare(tokens)
    with pytest.raises(ValueError, match="has no pooler"):
        bare.pooled(tokens)
    with pytest.raises(ValueError, match="no pooler, which the classifier needs"):
        BertClassifier(bare, 2)
    with pytest.raises(ValueError, match="classes=0"):
        BertClassifier(model, 0)


def test_a_scheme_keeps_its_own_beginning():
    positional_encoding = BucketPositions(3, bidirectional=True)
    model = Bert(SMALL, positional_encoding=positional_encoding)
    assert not positional_encoding.table.weight.any()
    assert model.embedding.weight.any()


def test_scores_of_some_positions_are_those_of_all():
    model, tokens = lively(), torch.randint(11, (3, 6))
    at = torch.rand(3, 6) < 0.4
    mask = causal_mask(6)
    for options in ({}, {"mask": mask}):
        found = model(tokens, at=at, **options)
        assert_close(found, model(tokens, **options)[at], atol=1e-6, rtol=1e-6)


def test_both_losses_and_their_gradients_agree():
    model, tokens = lively(), torch.randint(11, (3, 8))
    batch = mask_tokens(tokens, 0, 11, 0.3, torch.Generator().manual_seed(0))
    results = []
    for loss in (masked_loss, masked_loss_fast):
        model.zero_grad()
        value = loss(model, batch)
        value.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        results.append((value.detach(), *gradients))
    for one, two in zip(*results, strict=True):
        assert_close(one, two, atol=1e-6, rtol=1e-5)
    nothing = torch.full_like(tokens, -100)
    for loss in (masked_loss, masked_loss_fast):
        value = loss(model, (tokens, nothing))
        value.backward()
        assert value.item() == 0
