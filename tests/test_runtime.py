"""The environment variables that steer a chapter."""

import pytest
import torch

from genai_lib import runtime


def test_seed_and_scale_have_defaults_and_can_be_set(monkeypatch):
    monkeypatch.delenv("GENAI_SEED", raising=False)
    monkeypatch.delenv("GENAI_SCALE", raising=False)
    assert (runtime.seed(), runtime.scale()) == (0, "cpu")
    monkeypatch.setenv("GENAI_SEED", "7")
    monkeypatch.setenv("GENAI_SCALE", "gpu")
    assert (runtime.seed(), runtime.scale()) == (7, "gpu")


@pytest.mark.parametrize("text", ["-1", "x", "1.5", ""])
def test_bad_settings_are_named(monkeypatch, text):
    monkeypatch.setenv("GENAI_SEED", text)
    with pytest.raises(ValueError, match="GENAI_SEED"):
        runtime.seed()
    monkeypatch.setenv("GENAI_SCALE", "tpu")
    with pytest.raises(ValueError, match="GENAI_SCALE='tpu'"):
        runtime.scale()


def test_nothing_is_fetched_unless_it_is_asked_for(monkeypatch):
    for scale, asked, wanted in (
        ("cpu", None, False),
        ("cpu", "0", False),
        ("cpu", "1", True),
        ("gpu", None, True),
        ("gpu", "0", False),
    ):
        monkeypatch.setenv("GENAI_SCALE", scale)
        monkeypatch.delenv("GENAI_DOWNLOAD", raising=False)
        if asked is not None:
            monkeypatch.setenv("GENAI_DOWNLOAD", asked)
        assert runtime.may_download() is wanted
    monkeypatch.setenv("GENAI_DOWNLOAD", "yes")
    with pytest.raises(ValueError, match="GENAI_DOWNLOAD='yes'"):
        runtime.may_download()


def test_sizes_follow_the_scale_and_show_both_columns(monkeypatch):
    monkeypatch.delenv("GENAI_SCALE", raising=False)
    sizes = runtime.sizes(steps=(8, 200), width=(4, 64))
    assert (sizes.steps, sizes.width) == (8, 4)
    monkeypatch.setenv("GENAI_SCALE", "gpu")
    assert runtime.sizes(steps=(8, 200)).steps == 200
    assert "200" in repr(sizes)
    assert "<td>200</td>" in sizes._repr_html_()
    with pytest.raises(AttributeError, match="no 'depth'"):
        sizes.depth  # noqa: B018
    with pytest.raises(ValueError, match="steps=8"):
        runtime.sizes(steps=8)


def test_device_is_usable_and_small_models_get_one_thread():
    assert torch.zeros(1, device=runtime.device()).sum() == 0
    assert runtime.threads(1000) == 1
