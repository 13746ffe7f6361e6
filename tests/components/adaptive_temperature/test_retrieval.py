"""Max retrieval: the task, the model with one head, the comparison at many sizes."""

from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from genai_lib.components.adaptive_temperature import (
    MaxRetrieval,
    ScalableSoftmax,
    adaptive_temperature_softmax,
    best_inverse_temperature,
    compare,
    draw_sets,
    labels_of,
    sparsemax,
)
from genai_lib.components.softmax import entropy, softmax


def test_labels_are_the_classes_of_the_largest():
    """Three items: priorities .2, .9, .4 and classes 1, 0, 2."""
    priorities = torch.tensor([[0.2], [0.9], [0.4]])
    classes = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    sets = torch.cat([priorities, classes], dim=-1)
    assert labels_of(sets[None]).tolist() == [0]
    assert labels_of(sets[[0, 2]]).item() == 2


def test_sets_have_a_priority_and_one_class_each_and_obey_the_generator():
    sets = draw_sets(50, 7, 4, torch.Generator().manual_seed(3))
    assert sets.shape == (50, 7, 5)
    assert ((sets[..., 0] >= 0) & (sets[..., 0] < 1)).all()
    assert (sets[..., 1:].sum(-1) == 1).all()
    assert sets.equal(draw_sets(50, 7, 4, torch.Generator().manual_seed(3)))
    counts = labels_of(draw_sets(4000, 3, 4)).bincount() / 4000
    assert_close(counts, torch.full((4,), 0.25), atol=0.05, rtol=0)


@pytest.mark.parametrize("normalize", [softmax, sparsemax, ScalableSoftmax()])
def test_the_order_of_the_items_does_not_matter(normalize):
    model = MaxRetrieval(normalize, classes=4, width=8)
    sets = draw_sets(3, 9, 4)
    assert_close(model(sets), model(sets[:, torch.randperm(9)]))
    assert model(sets).shape == (3, 4)


def test_the_model_is_a_softmax_average_of_encoded_items():
    model = MaxRetrieval(classes=4, width=8)
    sets = draw_sets(3, 9, 4)
    items = model.encoder(sets)
    weights = torch.softmax(items @ model.query, dim=-1)
    assert_close(model(sets), model.head(torch.einsum("bn,bnd->bd", weights, items)))


def test_it_learns_a_small_case():
    model = MaxRetrieval(classes=2, width=16)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        sets = draw_sets(64, 2, 2)
        loss = cross_entropy(model(sets), labels_of(sets))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    sets = draw_sets(1000, 2, 2)
    assert (model(sets).argmax(-1) == labels_of(sets)).float().mean() > 0.9


def test_compare_equals_one_set_at_a_time():
    """45 sets are more than one chunk; sizes are parts of the largest."""
    model = MaxRetrieval(classes=3, width=8)
    normalizers = {"softmax": softmax, "adaptive": adaptive_temperature_softmax}
    found = compare(
        model,
        normalizers,
        (4, 16, 32),
        sets=45,
        most=3,
        generator=torch.Generator().manual_seed(5),
    )
    generator = torch.Generator().manual_seed(5)
    chunks = [draw_sets(n, 32, 3, generator) for n in (20, 20, 5)]
    drawn = torch.cat(chunks)
    for size, parts in ((4, 3), (16, 2), (32, 1)):
        sets = drawn[:, : size * parts].reshape(-1, size, 4)
        for name, normalize in normalizers.items():
            model.normalize = normalize
            right = (model(sets).argmax(-1) == labels_of(sets)).float().mean()
            weights = normalize(model.encoder(sets) @ model.query, dim=-1)
            outcome = found[name][size]
            assert outcome.accuracy == pytest.approx(right.item(), abs=1e-6)
            largest = weights.amax(-1).mean().item()
            assert outcome.largest == pytest.approx(largest, rel=1e-4)
            spread = entropy(weights).mean().item()
            assert outcome.entropy == pytest.approx(spread, rel=1e-4)


def test_the_best_inverse_temperature_has_the_smallest_loss():
    model = MaxRetrieval(classes=3, width=8)
    sets, betas = draw_sets(40, 12, 3), (0.5, 1.0, 4.0, 40.0)
    spread, best = best_inverse_temperature(model, sets, betas)
    losses = []
    with torch.no_grad():
        for beta in betas:
            model.normalize = partial(softmax, temperature=1 / beta)
            losses.append(cross_entropy(model(sets), labels_of(sets)).item())
        logits = model.encoder(sets) @ model.query
    assert best == betas[losses.index(min(losses))]
    assert spread == pytest.approx(entropy(softmax(logits)).mean().item(), rel=1e-5)


def test_bad_input_is_named():
    model = MaxRetrieval(classes=3, width=8)
    with pytest.raises(ValueError, match=r"sets=.* must have shape \(B, n, 4\)"):
        model(torch.zeros(2, 5, 3))
    with pytest.raises(ValueError, match="sets=.* must have shape"):
        model(torch.zeros(5, 4))
    with pytest.raises(ValueError, match="items=0"):
        draw_sets(2, 0)
    with pytest.raises(ValueError, match="width=0"):
        MaxRetrieval(width=0)
    with pytest.raises(ValueError, match=r"sizes=\(6, 16\)"):
        compare(model, {"softmax": softmax}, (6, 16), sets=2)
    with pytest.raises(ValueError, match="sets=0"):
        compare(model, {"softmax": softmax}, (8, 16), sets=0)
