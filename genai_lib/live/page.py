"""The HTML that all figures that move have in common; it needs no library of charts.

Tests    tests/live/test_figure.py
"""

import base64
import json

PAGE = """\
<figure class="genai-live" data-kind="{kind}" data-name="{name}">
<img src="{source}" alt="{alt}" />
<figcaption>{caption}</figcaption>
<script type="application/json">{data}</script>
{loader}</figure>
"""


def embedded_json(data: object) -> str:
    """Write JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def picture_address(png: bytes) -> str:
    """Write a PNG as a data address."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
