"""What the marks of live figures have in common: colours and descriptions.

Tests    tests/components/softmax/test_figure.py

References
    [1] Okabe and Ito, "Color Universal Design", 2008
"""

from genai_lib.live.charts import alt

# From the palette of [1], those with a contrast of at least 3 on white and on black.
BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8A8A8A"


def described(chart: alt.Chart, expression: str) -> alt.Chart:
    """Give each mark its numbers in full, for tooltips and screen readers."""
    return chart.transform_calculate(description=expression).encode(
        description="description:N", tooltip="description:N"
    )
