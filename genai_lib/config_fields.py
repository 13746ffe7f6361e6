"""Reader of a config.json in the layout of Hugging Face; unknown fields are refused.

A model must read every field that could change a number it computes; a field that it
does not read is an error that names it. Fields that change no number are accepted:
notes of the tool that wrote the file, and settings of training and of generation.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from genai_lib.files import read_json

CONFIG = "config.json"
# Notes of tools, ways to call a model or to spread its work, settings of training.
NOTES = frozenset(
    """architectures attn_implementation auto_map base_model_name_or_path
    chunk_size_feed_forward dataset datasets dtype finetuning_task
    gradient_checkpointing id2label keys_to_ignore_at_inference label2id language
    languages library_name license model_type num_labels optimum_version output_past
    pipeline_tag prefix problem_type return_dict tags task_specific_params
    tf_legacy_loss tokenizer_class torch_dtype torchscript transformers_version
    unsloth_fixed use_bfloat16 use_return_dict xla_device""".split()
)
# How texts are generated: GenerationConfig of transformers, and its older names.
GENERATION = frozenset(
    """assistant_confidence_threshold assistant_early_exit assistant_ensemble_weight
    assistant_lookbehind bad_words_ids begin_suppress_tokens bos_token_id cache_config
    cache_implementation compile_config constraints continuous_batching_config
    decoder_start_token_id disable_compile diversity_penalty do_sample dola_layers
    early_stopping encoder_no_repeat_ngram_size encoder_repetition_penalty eos_token_id
    epsilon_cutoff eta_cutoff exponential_decay_length_penalty force_words_ids
    forced_bos_token_id forced_decoder_ids forced_eos_token_id generation_kwargs
    guidance_scale is_assistant length_penalty low_memory max_cache_len max_length
    max_matching_ngram_size max_new_tokens max_time min_length min_new_tokens min_p
    no_repeat_ngram_size num_assistant_tokens num_assistant_tokens_schedule
    num_beam_groups num_beams num_return_sequences output_attentions
    output_hidden_states output_logits output_scores pad_token_id penalty_alpha
    prefill_chunk_size prompt_lookup_num_tokens remove_invalid_values
    renormalize_logits repetition_penalty return_dict_in_generate
    return_legacy_cache sep_token_id sequence_bias speculation_type stop_strings
    suppress_tokens target_lookbehind temperature token_healing top_h top_k top_p
    typical_p use_cache use_mtp watermarking_config""".split()
)
VERSION = re.compile(r"\d+(\.\w+)+([+-].*)?")


class Fields:
    """The fields of a config.json, each read once.

    Parameters
    ----------
    folder : Path
    model_type : str
        What the field of this name must say.

    Attributes
    ----------
    called : dict
        What the file calls the attributes of our configuration; see `explaining`.
    """

    def __init__(self, folder: Path, model_type: str) -> None:
        self.place = folder / CONFIG
        self.values = read_json(self.place)
        self.left = {n for n, value in self.values.items() if not is_note(n, value)}
        self.called: dict[str, str] = {}
        found = self.values.get("model_type")
        if found != model_type:
            self.refuse("model_type", f"only {model_type!r} can be read here")

    @property
    def architectures(self) -> set[str]:
        """The classes of transformers that wrote the file, if it says so."""
        found = self.values.get("architectures")
        names = found if isinstance(found, list) else []
        return {name for name in names if isinstance(name, str)}

    def number(self, name: str, **default: None) -> int | None:
        """Return a whole number above 0, or None where `default=None` is given."""
        value = self._take(name, *default.values())
        if value is None and default:
            return None
        if type(value) is not int or value < 1:
            self.refuse(name, "a whole number above 0 is needed")
        return value

    def fraction(self, name: str, default: float) -> float:
        """Return a finite number above 0."""
        value = self._take(name, default)
        if type(value) not in (int, float) or not 0 < value < math.inf:
            self.refuse(name, "a number above 0 is needed")
        return value

    def choice(self, name: str, options: Collection, default: object) -> object:
        """Return a value; ValueError unless the model supports it."""
        value = self._take(name, default)
        if not any(type(value) is type(o) and value == o for o in options):
            offered = ", ".join(map(repr, options))
            self.refuse(name, f"this is not supported, only {offered}")
        return value

    def require(self, supported: Mapping[str, object]) -> None:
        """Raise ValueError if one of these fields has a value that is not supported."""
        for name, value in supported.items():
            self.choice(name, [value], default=value)

    def ignore(self, *names: str) -> None:
        """Accept fields that change nothing, whatever their values."""
        self.left -= set(names)

    def finish(self) -> None:
        """Raise ValueError if a field was not read, unless it changes nothing."""
        for name in sorted(self.left):
            if self.values[name] not in (None, False, {}, []):
                self.refuse(name, "this option is not known")

    def refuse(self, name: str, why: str) -> None:
        """Raise ValueError with the place, the field and its value."""
        raise ValueError(f"{self.place}: {name}={self.values.get(name)!r}: {why}")

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Make a ValueError raised inside name the file and the file's fields."""
        try:
            yield
        except ValueError as error:
            said = re.sub(
                r"\b\w+(?==)",
                lambda found: self.called.get(found[0], found[0]),
                str(error),
            )
            raise ValueError(f"{self.place}: {said}") from error

    def _take(self, name: str, *default: object) -> object:
        self.left.discard(name)
        if name not in self.values and not default:
            raise ValueError(f"{self.place} has no field {name!r}")
        return self.values.get(name, *default)


def is_note(name: str, value: object) -> bool:
    """Say whether a field changes no number that a model of this library computes.

    These are the fields of `NOTES` and `GENERATION`, versions of tools, and fields that
    no model reads: private ones of transformers, which begin with "_", and those whose
    name is not a Python identifier, such as "transformers.js_config".

    >>> is_note("unsloth_version", "2026.1"), is_note("rope_theta", 1e4)
    (True, False)
    """
    if name in NOTES | GENERATION or name.startswith("_") or not name.isidentifier():
        return True
    versioned = name.endswith("_version") and isinstance(value, str)
    return versioned and VERSION.fullmatch(value) is not None
