"""Cached generation against GPT-2 of transformers of equal size, one thread.

"generate" is what a user of transformers calls. "loop" is their model with their
cache in the shortest loop around it, without what `generate` adds.
"""

import tempfile
import warnings

import torch
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

from genai_lib.genres.decoder_only import GPT
from genai_lib.genres.inference import generate
from tests.bench._timing import compare, row

# Batch, new tokens, width, layers, heads, tokens in the vocabulary.
SHAPES = (
    (1, 100, 64, 2, 4, 96),
    (1, 100, 128, 4, 4, 1024),
    (16, 100, 128, 4, 4, 1024),
    (1, 200, 384, 6, 6, 8192),
)
PROMPT, GOAL = 16, 0.8


def twins(new, width, layers, heads, vocab_size):
    """Make a GPT-2 of transformers and ours with the same weights."""
    config = GPT2Config(
        vocab_size=vocab_size,
        n_positions=PROMPT + new,
        n_embd=width,
        n_head=heads,
        n_layer=layers,
        bos_token_id=0,
        eos_token_id=None,
        pad_token_id=0,
    )
    reference = GPT2LMHeadModel(config).eval()
    with tempfile.TemporaryDirectory() as folder:
        reference.save_pretrained(folder)
        return reference, GPT.from_pretrained(folder)


@torch.no_grad()
def shortest_loop(reference, prompt, new):
    """Write greedily with their model and cache."""
    unread, past, tokens = prompt, None, []
    for _ in range(new):
        made = reference(unread, past_key_values=past, use_cache=True)
        past = made.past_key_values
        unread = made.logits[:, -1:].argmax(-1)
        tokens.append(unread)
    return torch.cat(tokens, dim=1)


def library(reference, prompt, new):
    """Write greedily with their `generate`."""
    everything = torch.ones_like(prompt)
    options = {"max_new_tokens": new, "do_sample": False, "pad_token_id": 0}
    made = reference.generate(prompt, attention_mask=everything, **options)
    return made[:, PROMPT:]


def main() -> None:
    """Print milliseconds of ours and of transformers, and their ratio."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable_progress_bar()
    print(f"{'greedy, with a cache':<48}{'ours':>12}{'transformers':>12}  ratio")
    for batch, new, *sizes in SHAPES:
        reference, model = twins(new, *sizes)
        prompt = torch.randint(sizes[-1], (batch, PROMPT))

        def ours(model=model, prompt=prompt, new=new):
            return torch.stack(list(generate(model, prompt, new, 0)), dim=1)

        for name, function in (("generate", library), ("loop", shortest_loop)):

            def theirs(f=function, reference=reference, prompt=prompt, new=new):
                return f(reference, prompt, new)

            same = "" if ours().equal(theirs()) else ", DIFFERENT TEXT"
            title = f"{name} {batch}×{new}, width {sizes[0]}, {sizes[1]} layers{same}"
            print(row(title, *compare(ours, theirs, 9), GOAL))


if __name__ == "__main__":
    main()
