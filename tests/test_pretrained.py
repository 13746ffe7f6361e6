"""Folders of every family of models: what is read, what is refused, what is written."""

import ast
import importlib
import inspect
import json
import os
import re
import shutil
import stat

import pytest
import torch
from safetensors.torch import load_file, save_file, save_model
from torch import nn
from torch.testing import assert_close

from genai_lib.components.attention import ACTIVATIONS
from genai_lib.config_fields import GENERATION, NOTES, is_note
from genai_lib.genres.decoder_only import GPT, GPTConfig
from genai_lib.genres.disentangled_attention import DebertaConfig
from genai_lib.genres.encoder_decoder import FEED_FORWARDS, Seq2SeqConfig
from genai_lib.genres.encoder_only import Bert, BertConfig
from genai_lib.pretrained import find_folder
from genai_lib.training import load_weights, save_weights
from tests.genres.checkpoint_files import (
    FAMILIES,
    edit_config,
    edit_tensors,
    write_reference,
)

transformers = pytest.importorskip("transformers")
TUNED = [(name, kind) for name, family in FAMILIES.items() for kind in family.tuned]


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """Write the file of every family once."""
    found = {}
    for name, family in FAMILIES.items():
        found[name] = tmp_path_factory.mktemp(name)
        write_reference(found[name], family)
    return found


@pytest.fixture
def folder(family, references, tmp_path):
    target = tmp_path / "model"
    model_type = next(name for name, other in FAMILIES.items() if other is family)
    shutil.copytree(references[model_type], target)
    return target


def weights_of(family, folder):
    return family.ours.from_pretrained(folder).state_dict()


def assert_same(found, wanted):
    assert_close(found, wanted, atol=0, rtol=0)


# Files


def test_broken_files_are_one_clear_error(family, folder):
    weights, config = folder / "model.safetensors", folder / "config.json"
    whole = weights.read_bytes()
    for length in (0, 5, 200, len(whole) - 1):
        weights.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="not a complete safetensors file"):
            family.ours.from_pretrained(folder)
    for text, message in (
        ('{"model_type": "gpt2",', "is not JSON"),
        ("\ufeff{}", "is not JSON"),
        ("[" * 10**5, "is not JSON"),
        ("[]", "must hold one JSON object"),
        ("{}", "model_type=None: only"),
    ):
        config.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=f"config.json:? {message}"):
            family.ours.from_pretrained(folder)
    config.unlink()
    with pytest.raises(ValueError, match="config.json: there is no such file"):
        family.ours.from_pretrained(folder)


def test_broken_indices_are_one_clear_error(family, tmp_path):
    write_reference(tmp_path, family, max_shard_size=4000)
    path = tmp_path / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    places = index["weight_map"]
    name = max(places)
    other = next(place for place in places.values() if place != places[name])
    for wrong, message in (
        (places | {name: "../elsewhere.safetensors"}, "must name files of the folder"),
        (places | {name: "model-9.safetensors"}, "there is no such file"),
        (places | {name: other}, f"has no tensor '{name}', unlike"),
        ({k: v for k, v in places.items() if k != name}, "has no tensor '"),
        (None, "weight_map must name"),
    ):
        path.write_text(json.dumps(index | {"weight_map": wrong}))
        with pytest.raises(ValueError, match=message):
            family.ours.from_pretrained(tmp_path)
    path.write_text(json.dumps(index))
    shard = tmp_path / places[name]
    shard.write_bytes(shard.read_bytes()[:-3])
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        family.ours.from_pretrained(tmp_path)


@pytest.mark.parametrize("shards", [1, 2])
def test_pickle_is_not_opened_and_the_error_says_how_to_convert(
    family, folder, shards, monkeypatch
):
    """The advice is followed to the letter, and what it writes is read."""
    wanted = weights_of(family, folder)
    tensors = list(load_file(folder / "model.safetensors").items())
    (folder / "model.safetensors").unlink()
    for i in range(shards):
        part = dict(tensors[i::shards])
        torch.save(part, folder / f"pytorch_model-{i}-of-{shards}.bin")
    (folder / "training_args.bin").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="pickle files are not read") as error:
        family.ours.from_pretrained(folder)
    assert "training_args" not in str(error.value)
    monkeypatch.chdir(folder)
    exec(str(error.value).partition("inside its folder: ")[2], {})
    assert_same(weights_of(family, folder), wanted)


def test_no_list_in_an_error_is_empty(family, folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="pytorch_model.bin") as error:
        family.ours.from_pretrained(folder)
    assert "[]" not in str(error.value)


# Names of folders and of the hub


def test_a_local_folder_needs_no_network(family, folder, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("genai_lib.pretrained.snapshot_download", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    family.ours.from_pretrained(folder)
    monkeypatch.chdir(folder.parent)
    family.ours.from_pretrained(folder.name)


def test_a_hub_name_is_fetched_without_pickle(family, folder, monkeypatch, tmp_path):
    asked, target = [], tmp_path / "hub"

    def fetch(name, allow_patterns, ignore_patterns):
        asked.append((name, allow_patterns))
        shutil.copytree(folder, target, dirs_exist_ok=True)
        return str(target)

    monkeypatch.setattr("genai_lib.pretrained.snapshot_download", fetch)
    assert family.ours.from_pretrained("somebody/some-model").config.width == 12
    ((name, patterns),) = asked
    assert name == "somebody/some-model"
    assert all(p.endswith((".json", ".safetensors")) for p in patterns)


def test_names_that_lead_nowhere_are_one_clear_error(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError("no route")

    monkeypatch.setattr("genai_lib.pretrained.snapshot_download", fail)
    for name in (tmp_path / "none", str(tmp_path / "none"), "./none", "a/b/c", " "):
        with pytest.raises(ValueError, match="there is no such folder$"):
            find_folder(name)
    with pytest.raises(ValueError, match="name='gpt2': .* could be fetched"):
        find_folder("gpt2")


@pytest.mark.parametrize("name", ["", None, 3, b"gpt2", ["gpt2"], True])
def test_what_is_no_name_is_named(family, name):
    with pytest.raises(ValueError, match=f"name={re.escape(repr(name))}: a folder or"):
        family.ours.from_pretrained(name)


def test_odd_places_are_read(family, folder, tmp_path):
    """Unicode and spaces in a path, symbolic links, and a folder to read only."""
    wanted = weights_of(family, folder)
    odd = tmp_path / "ä 漢字 ☃"
    shutil.copytree(folder, odd)
    assert_same(weights_of(family, odd), wanted)
    linked = tmp_path / "linked"
    linked.mkdir()
    for path in folder.iterdir():
        (linked / path.name).symlink_to(path)
    folder.chmod(0o500)
    assert_same(weights_of(family, linked), wanted)
    folder.chmod(0o700)


# Options


def test_the_settings_of_generation_change_nothing(family, folder):
    """Whatever this version of transformers has, set to something unusual."""
    wanted = family.ours.from_pretrained(folder)
    own = {"pad_token_id", "eos_token_id", "decoder_start_token_id"}
    names = set(transformers.GenerationConfig().to_dict()) - own
    assert {name for name in names if not name.startswith("_")} <= GENERATION | NOTES
    edit_config(folder, **dict.fromkeys(names, 7))
    found = family.ours.from_pretrained(folder)
    assert found.config == wanted.config
    assert_same(found.state_dict(), wanted.state_dict())


TOOLS = {
    "_attn_implementation_autoset": True,
    "_some_private_note": 3,
    "transformers.js_config": {"dtype": "q8", "use_external_data_format": False},
    "unsloth_version": "2026.1.2",
    "unsloth_fixed": True,
    "peft_version": "0.15.0.dev0+git",
    "language": "en",
    "auto_map": {"AutoModel": "modeling.Model"},
    "torch_dtype": "bfloat16",
    "pruned_heads": {},
    "quantization_config": None,
    "finetuning_task": "cola",
    "license": "mit",
}


def test_notes_of_tools_change_nothing(family, folder):
    wanted = family.ours.from_pretrained(folder)
    edit_config(folder, **TOOLS)
    found = family.ours.from_pretrained(folder)
    assert found.config == wanted.config
    assert_same(found.state_dict(), wanted.state_dict())


@pytest.mark.parametrize(
    "option",
    [
        {"quantization_config": {"bits": 4}},
        {"rope_theta": 1e4},
        {"sliding_window": 4},
        {"residual_scale": 0.5},
        {"logit_softcapping": 30.0},
        {"attention_version": 2},
        {"norm_version": "rms"},
        {"pruned_heads": {"0": [1]}},
        {"qk_norm": True},
        {"language_adapter": "en"},
    ],
    ids=str,
)
def test_what_could_change_a_number_is_refused_by_name(family, folder, option):
    edit_config(folder, **option)
    ((name, value),) = option.items()
    message = f"{re.escape(f'{name}={value!r}')}: this option is not known"
    with pytest.raises(ValueError, match=message) as error:
        family.ours.from_pretrained(folder)
    assert str(folder) in str(error.value)


def test_the_models_of_transformers_compute_with_no_note(family):
    """Of the fields that its code reads, a note says how to call or to train it."""
    path = f"transformers.models.{family.source}.modeling_{family.source}"
    source = inspect.getsource(importlib.import_module(path))
    read = set(re.findall(r"\bconfig\.(\w+)", source))
    notes = {name for name in read if is_note(name, 1)}
    assert notes <= {
        *("_attn_implementation", "output_attentions", "output_hidden_states"),
        *("return_dict", "use_return_dict", "use_cache", "gradient_checkpointing"),
        *("num_labels", "problem_type", "id2label", "chunk_size_feed_forward"),
        *("pad_token_id", "eos_token_id", "bos_token_id", "decoder_start_token_id"),
    }
    assert len(read) > 10


def test_errors_name_the_fields_of_the_file(family, folder):
    for field, (value, message) in family.fields.items():
        before = (folder / "config.json").read_text()
        edit_config(folder, **{field: value})
        with pytest.raises(ValueError, match=f"config.json: .*{message}") as error:
            family.ours.from_pretrained(folder)
        assert str(folder) in str(error.value)
        (folder / "config.json").write_text(before)


def test_the_error_for_another_family_says_which_is_read(family, folder):
    edit_config(folder, model_type="mamba")
    with pytest.raises(ValueError, match="model_type='mamba': only '"):
        family.ours.from_pretrained(folder)


@pytest.mark.parametrize("name", transformers.activations.ACT2FN)
@torch.no_grad()
def test_an_activation_is_that_of_its_name_or_refused(references, tmp_path, name):
    x = torch.linspace(-8, 8, 400)
    if name in ACTIVATIONS:
        wanted = transformers.activations.ACT2FN[name](x)
        assert_close(ACTIVATIONS[name](x), wanted, atol=1e-6, rtol=1e-5)
    shutil.copytree(references["bert"], tmp_path / "model")
    edit_config(tmp_path / "model", hidden_act=name)
    if name in ACTIVATIONS:
        assert Bert.from_pretrained(tmp_path / "model").config.activation == name
    else:
        with pytest.raises(ValueError, match=f"hidden_act='{name}': .*not supported"):
            Bert.from_pretrained(tmp_path / "model")


def test_no_activation_of_the_usual_names_is_missing():
    usual = "gelu gelu_fast gelu_new gelu_python gelu_pytorch_tanh quick_gelu relu"
    assert set(usual.split()) | {"silu", "swish", "gelu_accurate"} <= set(ACTIVATIONS)
    for name, (kind, function) in FEED_FORWARDS.items():
        wanted = transformers.T5Config(feed_forward_proj=name)
        assert (kind.__name__ == "GatedFeedForward") == wanted.is_gated_act
        assert function is ACTIVATIONS[wanted.dense_act_fn]


# Tensors


def test_a_tied_tensor_is_found_under_each_of_its_names(family, folder):
    wanted = weights_of(family, folder)
    path = folder / "model.safetensors"
    # Copies: tensors that are read may lie in the file, which is written below.
    whole = {name: x.clone() for name, x in load_file(path).items()}
    for ours, names in family.tied.items():
        rest = {name: x for name, x in whole.items() if name not in names}
        for name in names:
            save_file(rest | {name: wanted[ours]}, path)
            assert_same(weights_of(family, folder), wanted)
        save_file(rest | {name: wanted[ours].clone() for name in names}, path)
        assert_same(weights_of(family, folder), wanted)
        save_file(rest, path)
        with pytest.raises(ValueError, match="has no tensor '.*' or '"):
            family.ours.from_pretrained(folder)


def test_two_names_of_one_tensor_must_agree(family, folder):
    wanted = weights_of(family, folder)
    ours, names = next(iter(family.tied.items()))
    first, second = names[:2]
    change = {first: wanted[ours], second: wanted[ours] + 1}
    edit_tensors(folder, lambda tensors: tensors.update(change))
    with pytest.raises(ValueError, match=r"differs from .*one where config.json says"):
        family.ours.from_pretrained(folder)


def test_the_file_of_save_model_is_read(family, tmp_path):
    """It keeps one name of each tensor that has several, by the alphabet."""
    reference = write_reference(tmp_path, family)
    wanted = weights_of(family, tmp_path)
    save_model(reference, str(tmp_path / "model.safetensors"))
    assert_same(weights_of(family, tmp_path), wanted)


@pytest.mark.parametrize(
    "wrapper", ["_orig_mod.", "module.", "model.", "module._orig_mod.", "model.module."]
)
def test_what_wraps_a_model_is_no_part_of_its_names(family, folder, wrapper):
    wanted = weights_of(family, folder)
    edit_tensors(folder, lambda found: {wrapper + k: x for k, x in found.items()})
    assert_same(weights_of(family, folder), wanted)
    edit_tensors(folder, lambda found: found.update({"else.weight": torch.ones(1)}))
    with pytest.raises(ValueError, match="no tensor"):
        family.ours.from_pretrained(folder)


@pytest.mark.parametrize(("name", "kind"), TUNED)
def test_the_body_of_a_tuned_model_is_read(tmp_path, name, kind):
    family = FAMILIES[name]
    reference = write_reference(tmp_path / "tuned", family, kind)
    found = family.ours.from_pretrained(tmp_path / "tuned")
    body = reference.base_model if name != "t5" else reference
    body.save_pretrained(tmp_path / "body")
    if name == "t5":
        edit_config(tmp_path / "body", architectures=None)
    wanted = family.ours.from_pretrained(tmp_path / "body")
    assert found.config == wanted.config
    assert_same(found.state_dict(), wanted.state_dict())


def test_a_head_that_the_config_denies_is_an_error(family, folder):
    extra = {"classifier.weight": torch.ones(2, 12)}
    edit_tensors(folder, lambda tensors: tensors.update(extra))
    with pytest.raises(ValueError, match="has not, such as 'classifier.weight'"):
        family.ours.from_pretrained(folder)
    edit_config(folder, architectures=["SomeClassifier"])
    family.ours.from_pretrained(folder)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_numbers_that_are_not_finite_are_named(family, folder, number, dtype):
    name = max(load_file(folder / "model.safetensors"))

    def change(tensors):
        tensors[name] = tensors[name].to(dtype)
        tensors[name].view(-1)[-1] = number

    edit_tensors(folder, change)
    short = name.partition(".")[2] if name.startswith(("bert", "transf")) else name
    with pytest.raises(ValueError, match="'(.*)' holds NaN or infinity") as error:
        family.ours.from_pretrained(folder)
    assert short.removeprefix("deberta.") in str(error.value)


@pytest.mark.parametrize("size", [4000, 10**9])
def test_a_loaded_model_does_not_need_its_files_any_more(family, tmp_path, size):
    """They are overwritten in place, cut and removed."""
    write_reference(tmp_path, family, max_shard_size=size)
    model = family.ours.from_pretrained(tmp_path)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    for path in tmp_path.glob("*.safetensors"):
        spoil(path)
    assert_same(model.state_dict(), before)


def spoil(path):
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    with path.open("r+b") as file:
        file.truncate(9)
    path.unlink()


def test_loaded_weights_do_not_need_their_file_any_more(tmp_path):
    model, path = nn.Linear(30, 20), tmp_path / "w.safetensors"
    save_weights(nn.Linear(30, 20), path)
    load_weights(model, path)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    spoil(path)
    assert_same(model.state_dict(), before)


def test_resized_embeddings_are_read(tmp_path):
    family = FAMILIES["gpt2"]
    reference = write_reference(tmp_path, family)
    reference.resize_token_embeddings(37, mean_resizing=False)
    reference.save_pretrained(tmp_path)
    model, tokens = GPT.from_pretrained(tmp_path), torch.arange(28, 37)[None]
    assert model.config.vocab_size == 37
    assert_close(model(tokens), reference(tokens).logits, atol=1e-5, rtol=1e-5)


# What is written


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o027, 0o077, 0o000])
def test_written_files_have_the_mode_of_the_umask(family, folder, tmp_path, mask):
    model = family.ours.from_pretrained(folder)
    before = os.umask(mask)
    try:
        for _ in range(2):  # a new file, and one that is there
            model.save_pretrained(tmp_path / "new")
        save_weights(model, tmp_path / "w.safetensors")
    finally:
        os.umask(before)
    written = [*(tmp_path / "new").iterdir(), tmp_path / "w.safetensors"]
    assert {path.name for path in written} == {
        *("config.json", "model.safetensors", "w.safetensors")
    }
    for path in written:
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask, path


def test_what_is_written_is_read_again_and_by_transformers(family, folder, tmp_path):
    model = family.ours.from_pretrained(folder)
    model.save_pretrained(str(tmp_path / "new"))
    again = family.ours.from_pretrained(tmp_path / "new")
    assert again.config == model.config
    assert_same(again.state_dict(), model.state_dict())
    kind = getattr(transformers, family.whole)
    theirs, report = kind.from_pretrained(tmp_path / "new", output_loading_info=True)
    assert not any(report.values())
    files = [path / "model.safetensors" for path in (folder, tmp_path / "new")]
    assert_same(*map(load_file, files))


# Configurations

CONFIGS = {
    kind: kind(vocab_size=9)
    for kind in (GPTConfig, BertConfig, DebertaConfig, Seq2SeqConfig)
}
WRONG = {
    "int": [0, -1, 1.5, "4", True, False, float("nan")],
    "int | None": [0, -1, 1.5, "4", True],
    "float": [0, -0.1, "a", None, True, float("inf"), float("nan")],
    "bool": ["no", 1, 0, 1.0],
    "bool | None": ["no", 1, 0],
    "str": ["sine", "", None, 3, True],
    "tuple[str, ...]": ["c2c", (), None, 3, ("c2c", "c2c"), (3,), ([],)],
}


@pytest.mark.parametrize("kind", CONFIGS, ids=lambda kind: kind.__name__)
def test_a_value_that_is_not_possible_is_named_at_the_call(kind):
    for name, field in kind.__dataclass_fields__.items():
        said = field.type if isinstance(field.type, str) else str(field.type)
        said = getattr(field.type, "__name__", said)
        said = said if said in WRONG else str(field.type)
        for value in WRONG[said]:
            if name.endswith("_token") and value == 0 and value is not False:
                continue
            with pytest.raises(ValueError, match=rf"\b{name}="):
                kind(**{"vocab_size": 9, name: value})


@pytest.mark.parametrize("kind", CONFIGS, ids=lambda kind: kind.__name__)
def test_a_configuration_cannot_be_changed(kind):
    with pytest.raises(AttributeError):
        CONFIGS[kind].width = 8


def test_the_table_of_a_format_is_short():
    """A new format is about twenty rows, and writes no shape."""
    for name in ("decoder_only", "encoder_only"):
        module = importlib.import_module(f"genai_lib.genres.{name}.checkpoint")
        assert len(module.TABLE) <= 20
        tree = ast.parse(inspect.getsource(module))
        assert not any(getattr(n, "attr", "") == "shape" for n in ast.walk(tree))
