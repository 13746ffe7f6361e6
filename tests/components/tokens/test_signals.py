"""Pictures, videos and sounds as tokens: round trips, references, bad input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from transformers import VivitConfig, audio_utils
from transformers.models.vivit.modeling_vivit import VivitTubeletEmbeddings

from genai_lib.components.tokens import (
    inverse_mu_law,
    log_mel,
    mel_filters,
    mu_law,
    mu_law_decode,
    mu_law_encode,
    patchify,
    tubelets,
    unpatchify,
    untubelets,
)

SIZE = st.integers(1, 3)


# Pictures and videos


@given(SIZE, SIZE, SIZE, SIZE, st.sampled_from([(), (2,), (2, 3)]))
def test_pictures_come_back(rows, columns, patch, channels, batch):
    images = torch.randn(*batch, channels, rows * patch, columns * patch)
    patches = patchify(images, patch)
    assert patches.shape == (*batch, rows * columns, channels * patch * patch)
    assert unpatchify(patches, patch, rows * patch, columns * patch).equal(images)


@given(SIZE, SIZE, SIZE, SIZE, SIZE, SIZE)
def test_videos_come_back(times, rows, columns, frames, patch, channels):
    length, height, width = times * frames, rows * patch, columns * patch
    video = torch.randn(2, length, channels, height, width)
    tokens = tubelets(video, frames, patch)
    size = channels * frames * patch**2
    assert tokens.shape == (2, times * rows * columns, size)
    assert untubelets(tokens, frames, patch, length, height, width).equal(video)


def test_patches_by_hand():
    """An image of 2 rows and 4 columns in patches of 2: left half, then right half."""
    image = torch.arange(8).view(1, 2, 4)
    assert patchify(image, 2).tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]


def test_patches_are_those_of_unfold():
    images = torch.randn(2, 3, 6, 8)
    unfolded = torch.nn.functional.unfold(images, 2, stride=2).mT
    assert patchify(images, 2).equal(unfolded)


def test_patch_and_matrix_is_the_convolution_of_a_vision_transformer():
    images, weight = torch.randn(2, 3, 6, 8), torch.randn(5, 3, 2, 2)
    convolved = torch.nn.functional.conv2d(images, weight, stride=2)
    ours = patchify(images, 2) @ weight.flatten(1).T
    assert_close(ours, convolved.flatten(2).mT, atol=1e-5, rtol=0)


def test_tubelet_and_matrix_is_the_embedding_of_vivit():
    config = VivitConfig(
        image_size=8,
        num_frames=4,
        tubelet_size=[2, 4, 4],
        num_channels=3,
        hidden_size=5,
    )
    reference = VivitTubeletEmbeddings(config)
    video = torch.randn(2, 4, 3, 8, 8)
    weight = reference.projection.weight.flatten(1)
    ours = tubelets(video, 2, 4) @ weight.T + reference.projection.bias
    assert_close(ours, reference(video), atol=1e-5, rtol=0)


def test_a_tubelet_of_one_frame_is_a_patch():
    video = torch.randn(2, 3, 1, 4, 6)
    by_frame = patchify(video, 2)  # (2, 3, N, size)
    assert tubelets(video, 1, 2).equal(by_frame.flatten(1, 2))


def test_a_wrong_order_of_rows_and_columns_is_caught():
    images = torch.randn(1, 6, 4)
    swapped = patchify(images.mT, 2)
    assert not unpatchify(swapped, 2, 6, 4).equal(images)


@pytest.mark.parametrize("patch", [3, 0, -2, 2.0])
def test_patches_that_do_not_fit_are_named(patch):
    with pytest.raises(ValueError, match="patch=.* must divide"):
        patchify(torch.zeros(1, 4, 4), patch)
    with pytest.raises(ValueError, match="patch=.* must divide"):
        untubelets(torch.zeros(4, 4), 1, patch, 1, 4, 4)


def test_bad_pictures_and_videos_are_named():
    with pytest.raises(ValueError, match="images="):
        patchify(torch.zeros(4, 4), 2)
    with pytest.raises(ValueError, match="images="):
        patchify(np.zeros((1, 4, 4)), 2)
    with pytest.raises(ValueError, match="video="):
        tubelets(torch.zeros(1, 4, 4), 1, 2)
    with pytest.raises(ValueError, match="frames=2 must divide T=3"):
        tubelets(torch.zeros(3, 1, 4, 4), 2, 2)
    with pytest.raises(ValueError, match="tokens of shape"):
        untubelets(torch.zeros(3, 4), 1, 2, 1, 4, 4)
    with pytest.raises(ValueError, match="patches="):
        unpatchify(torch.zeros(4), 2, 4, 4)


# Sound, sample by sample


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50))
def test_sound_comes_back_to_half_a_step(values):
    sound = torch.tensor(values)

    def squeeze(x):
        return x.sign() * torch.log1p(255 * x.abs()) / math.log(256)

    back = mu_law_decode(mu_law_encode(sound))
    assert (squeeze(back) - squeeze(sound)).abs().max() <= 1 / 255 + 1e-5


@pytest.mark.parametrize("mu", [1, 100, 255, 1023])
def test_codes_come_back_exactly(mu):
    codes = torch.arange(mu + 1)
    assert mu_law_encode(mu_law_decode(codes, mu), mu).equal(codes)


def test_codes_by_the_formula_one_at_a_time():
    for x in (-1.0, -0.3, -0.001, 0.0, 0.02, 0.5, 1.0):
        compressed = math.copysign(math.log(1 + 255 * abs(x)) / math.log(256), x)
        wanted = math.floor((compressed + 1) / 2 * 255 + 0.5)
        assert mu_law_encode(torch.tensor(x)).item() == wanted


def test_codes_keep_the_order_and_the_ends():
    sound = torch.linspace(-1, 1, 99_999)
    codes = mu_law_encode(sound)
    assert (codes.diff() >= 0).all()
    assert (codes[0], codes[-1], len(codes.unique())) == (0, 255, 256)
    assert codes.dtype == torch.int64


def test_half_precision_sound_has_the_codes_of_its_values():
    sound = torch.linspace(-1, 1, 99).half()
    assert mu_law_encode(sound).equal(mu_law_encode(sound.float()))


@pytest.mark.parametrize(("mu", "largest"), [(255, 1), (100, 256), (7, 0.5)])
def test_the_law_is_its_formula_and_comes_back(mu, largest):
    x = largest * torch.linspace(-1, 1, 101, dtype=torch.float64)
    compressed = mu_law(x, mu, largest)
    formula = [
        math.copysign(math.log(1 + mu * abs(v)) / math.log(1 + mu * largest), v)
        for v in x.tolist()
    ]
    assert torch.allclose(compressed, torch.tensor(formula, dtype=torch.float64))
    assert (compressed.abs() <= 1).all()
    assert torch.allclose(inverse_mu_law(compressed, mu, largest), x)


def test_silence_is_almost_silent():
    code = mu_law_encode(torch.zeros(1))
    assert code.item() == 128
    assert 0 < mu_law_decode(code).item() < 1e-4


def test_a_linear_scale_misses_the_bound_for_quiet_sound():
    quiet = torch.linspace(-0.01, 0.01, 101)
    linear = ((quiet + 1) / 2 * 255).round() / 255 * 2 - 1
    ours = mu_law_decode(mu_law_encode(quiet))
    assert (linear - quiet).abs().mean() > 10 * (ours - quiet).abs().mean()


@pytest.mark.parametrize("value", [1.001, -1.5, math.nan, math.inf])
def test_sound_outside_the_range_is_not_clipped(value):
    with pytest.raises(ValueError, match="sound has a value outside"):
        mu_law_encode(torch.tensor([0.0, value]))


def test_bad_codes_and_mu_are_named():
    for codes in (torch.tensor([256]), torch.tensor([-1]), torch.tensor([1.0]), [1]):
        with pytest.raises(ValueError, match="codes"):
            mu_law_decode(codes)
    for mu in (0, -255, 2.5):
        with pytest.raises(ValueError, match="mu="):
            mu_law_encode(torch.zeros(1), mu)
    with pytest.raises(ValueError, match="sound="):
        mu_law_encode(torch.tensor([0, 1]))


# Sound, frame by frame


@pytest.mark.parametrize(
    ("rate", "frame", "mels"), [(16_000, 400, 40), (8000, 256, 20)]
)
def test_filters_are_those_of_transformers(rate, frame, mels):
    reference = audio_utils.mel_filter_bank(
        frame // 2 + 1, mels, 0, rate / 2, rate, norm=None, mel_scale="htk"
    )
    ours = mel_filters(rate, frame, mels)
    assert ours.shape == (mels, frame // 2 + 1)
    assert np.abs(ours.numpy() - reference.T).max() < 1e-6


@pytest.mark.parametrize("hop", [160, 100, 400])
def test_log_mel_is_that_of_transformers(hop):
    sound = 0.1 * torch.randn(5000, dtype=torch.double)
    reference = audio_utils.spectrogram(
        sound.numpy(),
        audio_utils.window_function(400, "hann", periodic=True),
        400,
        hop,
        power=2.0,
        center=False,
        mel_filters=mel_filters(16_000, 400, 40).double().numpy().T,
        log_mel="log10",
        mel_floor=1e-10,
    )
    ours = log_mel(sound, hop=hop)
    assert ours.shape == (1 + (5000 - 400) // hop, 40)
    assert np.abs(ours.numpy() - reference.T).max() < 1e-6


def test_a_tone_lights_the_band_that_holds_it():
    time = torch.arange(16_000) / 16_000
    bands = log_mel(torch.sin(2 * math.pi * 1000 * time)).mean(dim=0)
    frequencies = torch.linspace(0, 8000, 201)
    centres = frequencies[mel_filters(16_000, 400, 40).argmax(dim=-1)]
    assert abs(centres[bands.argmax()] - 1000) < 100


def test_frames_are_local_in_time():
    sound = torch.zeros(2, 1600)
    louder = sound.clone()
    louder[:, 800:] = 0.5
    before, after = log_mel(sound), log_mel(louder)
    assert before.shape == (2, 8, 40)
    assert before[:, :3].equal(after[:, :3])
    assert (before == -10).all()
    assert (after[:, -1] > -10).any()


def test_bad_sizes_are_named():
    sound = torch.zeros(1000)
    with pytest.raises(ValueError, match="shorter than frame=2000"):
        log_mel(sound, frame=2000)
    with pytest.raises(ValueError, match="hop=0"):
        log_mel(sound, hop=0)
    for mels in (0, 400):
        with pytest.raises(ValueError, match=f"mels={mels}"):
            log_mel(sound, mels=mels)
    with pytest.raises(ValueError, match="sound="):
        log_mel([0.0] * 1000)
