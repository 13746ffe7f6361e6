"""Still figures carry an alternative text; tables keep their shape."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from genai_lib import figures


@pytest.fixture
def shown(monkeypatch):
    """Collect what is published instead of displaying it."""
    published = []
    monkeypatch.setattr(figures, "publish_display_data", published.append)
    return published


def test_a_figure_is_one_image_with_its_alternative_text(shown):
    figure, axes = figures.new_figure()
    axes.plot([0, 1], [0, 1])
    figures.show(figure, alt='A line from "0" to 1 & on.', caption="A <line>.")

    html = shown[0]["text/html"]
    assert html.count("<img ") == 1
    assert 'alt="A line from &quot;0&quot; to 1 &amp; on."' in html
    assert "<figcaption>A &lt;line&gt;.</figcaption>" in html
    assert shown[0]["text/plain"].startswith("Figure: A line")
    assert len(html) < 80_000
    assert not plt.get_fignums()


def test_the_same_figure_gives_the_same_bytes():
    uris = []
    for _ in range(2):
        figure, axes = figures.new_figure(columns=2)
        axes[0].bar([1, 2], [3, 4])
        uris.append(figures.png_uri(figure))
        plt.close(figure)
    assert uris[0] == uris[1]


def test_a_figure_without_alternative_text_is_an_error():
    figure, _ = figures.new_figure()
    with pytest.raises(ValueError, match="alt must say"):
        figures.show(figure, alt=" ")
    plt.close(figure)


def test_a_table_is_shown_as_text_and_html(shown):
    figures.show_table({"model": ["a<b", "c"], "loss": ["≈ 1.2", "≈ 0.3"]}, "Losses")
    text, html = shown[0]["text/plain"], shown[0]["text/html"]
    assert text.splitlines() == [
        "Losses",
        "model  loss",
        "a<b    ≈ 1.2",
        "c      ≈ 0.3",
    ]
    assert "<th scope='row'>a&lt;b</th><td>≈ 1.2</td>" in html
    with pytest.raises(ValueError, match="equal lengths"):
        figures.show_table({"a": [1], "b": [1, 2]})


def test_what_a_model_wrote_stands_in_the_html_alone(shown):
    figures.show_writing("one <two>\nthree", caption="Two lines")

    assert "one &lt;two&gt;\nthree</pre>" in shown[0]["text/html"]
    assert shown[0]["text/plain"] == "Written by a model: Two lines"
    with pytest.raises(ValueError, match="caption must say"):
        figures.show_writing("text", caption="")
