"""Models, losses and samplers run on one GPU, shown without a GPU.

Under `FakeTensorMode` a tensor has a shape and a device, and no numbers. An operation
on tensors of two devices fails there as it does on a GPU. The second device is called
"meta": a torch that was built without CUDA cannot differentiate on a device of that
name, and devices are kept apart whatever they are called. Where the library asks a
tensor for a number, a fixed one is answered, so loops and checks go on. What makes a
tensor whose shape depends on numbers stops here: the loss of a translation, which takes
the places that are no padding, and the recurrent encoders, which pack rows by length.
"""

import operator
from functools import partial

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensorMode
from torch.nn import functional
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from genai_lib.components import adaptive_temperature as adaptive
from genai_lib.components import attention, embeddings, positions, softmax, softmax_one
from genai_lib.genres import (
    decoder_only,
    disentangled_attention,
    encoder_decoder,
    encoder_only,
    gato,
    inference,
)
from genai_lib.genres.gato.sequences import plain_tokens
from genai_lib.training import fit

GPU = "meta"
VOCABULARY, CONTEXT, WIDTH, HEADS = 11, 8, 16, 2


class Answers(TorchDispatchMode):
    """Answer when a number of a fake tensor is asked for: every number is 1.

    So a comparison is answered by comparing 1, `all` is true and `any` is false.
    """

    COMPARISONS = {"lt", "le", "gt", "ge", "eq", "ne"}

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        name = function.overloadpacket.__name__
        if name == "_local_scalar_dense":
            (asked,) = arguments
            if asked.dtype == torch.bool:
                return getattr(asked, "answer", False)
            return 1.0 if asked.is_floating_point() else 1
        result = function(*arguments, **(options or {}))
        if name in self.COMPARISONS:
            other = 1 if torch.is_tensor(arguments[1]) else arguments[1]
            result.answer = getattr(operator, name)(1, other)
        elif name == "all" or (name == "mul" and result.dtype == torch.bool):
            result.answer = True  # the second is what `isfinite` ends in
        return result


def run(case):
    """Run a case as if there were a GPU, and see that its results lie there."""
    with FakeTensorMode(allow_non_fake_inputs=True), Answers():
        results = [x for x in pytree.tree_leaves(case()) if torch.is_tensor(x)]
        assert results
        assert {result.device.type for result in results} == {GPU}


def there(module):
    """Move parameters and buffers, as `module.to` does where tensors have numbers."""
    moved = {}
    for part in module.modules():
        for name, weight in part.named_parameters(recurse=False):
            fresh = nn.Parameter(weight.detach().to(GPU), weight.requires_grad)
            setattr(part, name, moved.setdefault(weight, fresh))
        for name, buffer in part.named_buffers(recurse=False):
            setattr(part, name, buffer.to(GPU))
    return module


def floats(*shape):
    return torch.zeros(shape).to(GPU).requires_grad_()


def tokens(rows=2, length=CONTEXT):
    return torch.zeros(rows, length, dtype=torch.int64).to(GPU)


def gpt(**options):
    config = decoder_only.GPTConfig(VOCABULARY, CONTEXT, WIDTH, HEADS)
    return there(decoder_only.GPT(config, **options))


def bert(**options):
    config = encoder_only.BertConfig(VOCABULARY, CONTEXT, WIDTH, HEADS)
    return there(encoder_only.Bert(config, **options))


def deberta(**options):
    sizes = {"context": CONTEXT, "width": WIDTH, "heads": HEADS, "reach": 4}
    config = disentangled_attention.DebertaConfig(VOCABULARY, **sizes, **options)
    return there(disentangled_attention.Deberta(config))


def translator(kind):
    config = encoder_decoder.Seq2SeqConfig(VOCABULARY, WIDTH, HEADS)
    return there(kind(config))


def learned(model, loss, *batches):
    """Take a step of the book's own loop and return what changed."""
    fit(model, iter(batches), loss, steps=len(batches))
    return list(model.parameters())


# Normalisers and attention

NORMALIZERS = {
    "softmax": softmax.softmax,
    "tempered softmax": lambda x, dim: softmax.softmax(x, x.detach()[:, :1], dim),
    "log_softmax": softmax.log_softmax,
    "softmax_one": softmax_one.softmax_one,
    "softmax_with_sink": partial(softmax_one.softmax_with_sink, sink=0.5),
    "clipped_softmax": partial(softmax_one.clipped_softmax, gamma=-0.03),
    "adaptive": adaptive.adaptive_temperature_softmax,
    "adaptive, readable": adaptive.adaptive_temperature_readable,
    "scalable_softmax": partial(adaptive.scalable_softmax, scale=0.4),
    "sparsemax": adaptive.sparsemax,
}
LEARNED_NORMALIZERS = {
    "LearnedSink": partial(softmax_one.LearnedSink, HEADS),
    "ScalableSoftmax": partial(adaptive.ScalableSoftmax, HEADS),
}
SCHEMES = {
    "none": positions.NoPositions,
    "sinusoidal": partial(positions.SinusoidalPositions, WIDTH),
    "learned": partial(positions.LearnedPositions, CONTEXT, WIDTH),
    "rotary": partial(positions.RotaryPositions, WIDTH // HEADS),
    "interpolated": lambda: positions.RotaryPositions(
        WIDTH // HEADS,
        frequencies=positions.interpolated_frequencies(WIDTH // HEADS, 2.0),
    ),
    "YaRN": lambda: positions.RotaryPositions(
        WIDTH // HEADS,
        frequencies=positions.yarn_frequencies(WIDTH // HEADS, 2.0, CONTEXT),
        sharpness=positions.yarn_sharpness(2.0),
    ),
    "buckets": partial(positions.BucketPositions, HEADS),
    "ALiBi": partial(positions.AlibiPositions, HEADS),
}
BLOCKS = {
    "before": attention.TransformerBlock,
    "after": attention.PostNormBlock,
}


@pytest.mark.parametrize("name", NORMALIZERS)
def test_normalisers(name):
    def case():
        logits = floats(2, 3, 4)
        weights = NORMALIZERS[name](logits, dim=1)
        weights.sum().backward()
        return weights, logits.grad

    run(case)


@pytest.mark.parametrize("name", LEARNED_NORMALIZERS)
def test_normalisers_that_learn(name):
    def case():
        normalize, logits = there(LEARNED_NORMALIZERS[name]()), floats(2, HEADS, 3, 4)
        normalize(logits, dim=-1).sum().backward()
        return logits.grad, [p.grad for p in normalize.parameters()]

    run(case)


@pytest.mark.parametrize("attend", [attention.attend_fast, attention.attend])
def test_attention_with_a_mask_and_a_bias(attend):
    def case():
        query, key = floats(2, 3, 4), floats(2, 5, 4)
        mask = attention.causal_mask(3, 5, device=query.device)
        return attend(query, key, key, mask, bias=floats(3, 5))

    run(case)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("positional_encoding", SCHEMES)
def test_text_models(positional_encoding, block):
    def case():
        blocks = [
            BLOCKS[block](
                attention.MultiHeadAttention(
                    WIDTH, HEADS, positional_encoding=SCHEMES[positional_encoding]()
                ),
                attention.FeedForward(WIDTH),
            )
        ]
        model = attention.TextModel(
            VOCABULARY, WIDTH, blocks, SCHEMES[positional_encoding]()
        )
        return learned(there(model), attention.next_token_loss, tokens(), tokens())

    run(case)


def test_gated_attention_and_the_head_that_does_nothing():
    def case():
        heads = softmax_one.GatedAttention(WIDTH, HEADS)
        model = there(softmax_one.NoOpHead(heads, length=CONTEXT, vocabulary=4))
        drawn = softmax_one.draw_sequences(2, CONTEXT, 4)
        batch = softmax_one.Sequences(*(part.to(GPU) for part in drawn))
        return learned(model, softmax_one.answer_loss, batch)

    run(case)


def test_linear_layers_of_few_bits():
    def case():
        model = there(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()))
        smooth = softmax_one.smooth_linears(model, floats(2, WIDTH).detach())
        return softmax_one.quantize_linears(smooth or model, 8, 8)(floats(2, WIDTH))

    run(case)


def test_the_largest_item_is_found():
    def case():
        model = there(adaptive.MaxRetrieval(width=WIDTH))
        sets = adaptive.draw_sets(2, 4).to(GPU)
        scores = model(sets)
        return scores, adaptive.labels_of(sets)

    run(case)


def test_words_and_sentences():
    def case():
        words = tokens(1, 6)[0]
        model = there(embeddings.SkipGram(VOCABULARY, WIDTH))
        loss = embeddings.negative_sampling_loss(model, words, words, tokens(6, 2))
        encoder = there(embeddings.TextEncoder(VOCABULARY, WIDTH))
        first, second = encoder([words, words]), encoder([words, words])
        near = embeddings.matryoshka_loss(
            embeddings.info_nce, first, second, widths=(4, WIDTH)
        )
        (loss + near).backward()
        return [p.grad for p in (*model.parameters(), *encoder.parameters())]

    run(case)


# Models and their losses

MODELS = {
    "GPT": (gpt, attention.next_token_loss, lambda: tokens()),
    "BERT": (bert, encoder_only.masked_loss, lambda: (tokens(), tokens())),
    "DeBERTa": (deberta, encoder_only.masked_loss, lambda: (tokens(), tokens())),
    "DeBERTa, version 2": (
        partial(deberta, convolution=3, normed=True, shared=True),
        encoder_only.masked_loss,
        lambda: (tokens(), tokens()),
    ),
}
TRANSLATORS = (
    encoder_decoder.Seq2Seq,
    encoder_decoder.RecurrentSeq2Seq,
    encoder_decoder.AttentiveSeq2Seq,
)


@pytest.mark.parametrize("name", MODELS)
def test_models_learn(name):
    make, loss, batch = MODELS[name]
    run(lambda: learned(make(), loss, batch(), batch()))


def test_an_encoder_and_a_decoder_learn():
    def case():
        model = translator(encoder_decoder.Seq2Seq)
        loss = functional.cross_entropy(model(tokens(), tokens()).mT, tokens())
        loss.backward()
        return [weight.grad for weight in model.parameters()]

    run(case)


@pytest.mark.parametrize("kind", TRANSLATORS)
def test_a_translation_is_learned_until_shapes_depend_on_numbers(kind):
    def case():
        batch = tokens(), tokens()
        return learned(translator(kind), encoder_decoder.translation_loss, batch)

    with pytest.raises(DynamicOutputShapeException):
        run(case)


def test_an_average_of_weights_is_kept():
    def case():
        model = gpt()
        history = fit(
            model, iter([tokens()]), attention.next_token_loss, steps=1, ema=0.9
        )
        return list(history.averaged.parameters())

    run(case)


def test_a_classifier_reads_padded_rows():
    def case():
        model = there(encoder_only.BertClassifier(bert(), classes=3))
        return model(tokens(), mask=encoder_only.padding_mask(tokens(), 0))

    run(case)


def test_gato():
    def case():
        config = decoder_only.GPTConfig(VOCABULARY, CONTEXT, WIDTH, HEADS)
        model = there(gato.Gato(config, pixels=4))
        text = gato.stack([plain_tokens(tokens(1)[0].cpu())] * 2).to(GPU)
        logits = model(text)
        logits.sum().backward()
        return logits, model.next_logits(text)

    run(case)


# Writing

SAMPLERS = {
    "plain": {},
    "greedy": {"temperature": 0.0},
    "filtered": {"temperature": 0.7, "top_k": 5, "top_p": 0.9, "min_p": 0.1},
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_cache_and_every_way_to_draw(name):
    def case():
        model = gpt().eval()
        options = SAMPLERS[name] | {"end_token": 3}
        generator = torch.Generator().manual_seed(0)
        stream = inference.generate(
            model, tokens(2, 3), 4, **options, generator=generator
        )
        again = inference.generate_loop(model, tokens(2, 3), 2)
        return list(stream), again

    run(case)


def test_likelihood_and_measures():
    def case():
        model = gpt().eval()
        return inference.log_likelihood(model, tokens(2, 3), tokens(2, 2))

    run(case)


def test_beams():
    def case():
        found = inference.beam_search(gpt().eval(), tokens(1, 3)[0], 3, 2, end_token=3)
        # No text ends where every answer is no, so what is found is an empty list.
        return [beam.tokens for beam in found], tokens()

    run(case)


def test_speculation():
    def case():
        model, draft = gpt().eval(), gpt().eval()
        return list(inference.speculative_decode(model, draft, tokens(1, 3)[0], 2, 2))

    run(case)


def test_an_answer_is_written():
    model = encoder_decoder.Seq2Seq
    decode = encoder_decoder.greedy_decode
    run(lambda: decode(translator(model), tokens(), max_new_tokens=3))


# What must fall

MISTAKES = {
    "a constant that stays behind": lambda: floats(3) + torch.arange(3),
    "a parameter that was not moved": lambda: nn.Linear(3, 2)(floats(4, 3)),
    "an index of the wrong place": lambda: torch.zeros(5)[tokens(1, 2)],
    "a result on the CPU": lambda: floats(3).cpu(),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mixed_device_falls(name):
    with pytest.raises((RuntimeError, AssertionError)):
        run(MISTAKES[name])
