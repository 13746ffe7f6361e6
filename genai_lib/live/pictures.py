"""Small PNG images of what a function returned: a figure, an array or a text.

Tests    tests/live/test_explorer.py
"""

import io

import numpy as np
from PIL import Image

COLOURS = 64
SMALLEST_SIDE = 256


def to_png(drawn: object) -> bytes:
    """Turn what `draw` returned into a small PNG."""
    if hasattr(drawn, "savefig"):
        import matplotlib.pyplot as plt

        buffer = io.BytesIO()
        drawn.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
        plt.close(drawn)
        picture = Image.open(buffer).convert("RGB")
    else:
        picture = _picture(drawn)
    buffer = io.BytesIO()
    picture.quantize(COLOURS).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def text_figure(text: str):
    """Draw a text as a figure, for places that show only images."""
    from genai_lib.figures import new_figure

    lines = text.splitlines() or [""]
    longest = max(map(len, lines))
    size = (max(2.0, 0.085 * longest + 0.3), 0.21 * len(lines) + 0.3)
    figure, axes = new_figure(figsize=size)
    axes.axis("off")
    # A dollar sign must not start a formula.
    shown = text.replace("$", r"\$")
    axes.text(0, 1, shown, family="monospace", size=10, va="top")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return figure


def _picture(drawn: object) -> Image.Image:
    array = np.asarray(drawn)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise ValueError(f"draw returned shape {array.shape}: (H, W) or (H, W, 3)")
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError("draw returned an array that is empty or not finite")
    if array.min() < 0 or array.max() > 1:
        raise ValueError(
            f"draw returned values from {array.min():g} to {array.max():g}: 0 to 1"
        )
    picture = Image.fromarray(np.round(array * 255).astype(np.uint8)).convert("RGB")
    factor = max(1, round(SMALLEST_SIDE / min(picture.size)))
    size = tuple(side * factor for side in picture.size)
    return picture.resize(size, Image.Resampling.NEAREST)
