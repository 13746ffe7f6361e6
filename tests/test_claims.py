"""Claims: one line, one record, and an error when the bound is missed."""

import math

import pytest

from genai_lib import claims
from genai_lib.claims import ClaimFailed, approximately, claim


@pytest.fixture
def shown(monkeypatch):
    """Collect what is published instead of displaying it."""
    published = []
    monkeypatch.setattr(
        claims,
        "publish_display_data",
        lambda data, metadata: published.append(
            (data["text/plain"], metadata, data["text/html"])
        ),
    )
    return published


def test_a_claim_that_holds_prints_one_line_and_records_itself(shown):
    claim("sharp", "it is sharp", 0.93, at_least=0.9, source="key2024", reported="0.97")

    line, metadata, _ = shown[0]
    assert line == (
        "✓ it is sharp: ≈ 0.93 (at least 0.9; the paper reports 0.97 [key2024])"
    )
    record = metadata["genai_claim"]
    assert (record["name"], record["value"], record["holds"]) == ("sharp", 0.93, True)
    assert record["verdict"] == "reproduced in miniature"


def test_the_record_tells_the_bounds_as_numbers(shown):
    third = 1 / 3
    claim("near", "it is near", 0.3, close_to=third, within=0.1, at_most=1.0)

    record = shown[0][1]["genai_claim"]
    assert [record[name] for name in claims.LIMITS] == [None, 1.0, third, 0.1]
    assert claims.holds(0.3, **{name: record[name] for name in claims.LIMITS})
    assert not claims.holds(0.5, **{name: record[name] for name in claims.LIMITS})


@pytest.mark.parametrize(
    ("value", "verdict", "state"),
    [
        (0.9, None, "closed"),
        (0.1, None, "open"),
        (0.9, "did not reproduce at this scale", "open"),
    ],
)
def test_the_page_can_tell_what_stays_open(shown, monkeypatch, value, verdict, state):
    monkeypatch.setenv("GENAI_CLAIMS", "record")
    claim("name", "text", value, at_least=0.5, verdict=verdict)
    assert f"<p class='genai-claim' data-state='{state}'>" in shown[0][2]


@pytest.mark.parametrize(
    "bounds",
    [
        {"at_least": 1.0},
        {"at_most": 0.4},
        {"close_to": 0.7, "within": 0.1},
        {"at_least": 0.4, "at_most": 0.45},
    ],
)
def test_a_claim_that_fails_raises_after_it_was_recorded(shown, bounds):
    with pytest.raises(ClaimFailed, match="wrong: ✗"):
        claim("wrong", "it holds", 0.5, **bounds)
    assert shown[0][1]["genai_claim"]["holds"] is False


def test_nan_never_holds(shown):
    with pytest.raises(ClaimFailed):
        claim("nan", "it holds", math.nan, at_least=-math.inf)


def test_record_mode_does_not_raise(shown, monkeypatch):
    monkeypatch.setenv("GENAI_CLAIMS", "record")
    claim("wrong", "it holds", 0.5, at_least=1.0)
    assert shown[0][0].startswith("✗")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "two words", "at_least": 0}, "must be a slug"),
        ({"text": "", "at_least": 0}, "has no text"),
        ({}, "has no bound"),
        ({"close_to": 1.0}, "go together"),
        ({"at_least": 0, "verdict": "true"}, "verdict='true'"),
    ],
)
def test_claims_that_are_not_well_formed(shown, arguments, message):
    with pytest.raises(ValueError, match=message):
        claim(**{"name": "name", "text": "text", "value": 1.0} | arguments)
    assert not shown


def test_measured_numbers_carry_their_tolerance():
    assert approximately(0.123456) == "≈ 0.123"
    assert approximately(12345.0) == "≈ 1.23e+04"
