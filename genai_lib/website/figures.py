"""Sphinx extension: live figures, local scripts only, links to a known repository.

Tests    tests/website/test_figures.py

Imports no torch, so that the website is built without it.
"""

import html
import importlib
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

from genai_lib.live.explorer import Explorer
from genai_lib.live.figure import LiveFigure
from genai_lib.website.assets import own_digest, write_assets
from genai_lib.website.repository import LINES, find_repository

FIGURE = 'class="genai-live"'
VEGA_FIGURE = re.compile(r'<figure class="genai-live"[^>]*data-kind="vega"')
LOADER = re.compile(r"<script data-genai-loader>.*?</script>\s*", re.DOTALL)
THEBE_SETTINGS = re.compile(
    r'<script type="text/x-thebe-config">.*?</script>|'
    r"<script>kernelName = '[^']*'</script>",
    re.DOTALL,
)
THEBE = re.compile(r"thebe", re.IGNORECASE)
NO_SCRIPT = "// The icons come from the theme's fonts.\n"
FIGURES_FIRST = 400
FAVICON = "favicon.svg"
# sphinx-external-toc would write an index.html without language, title and icon.
ENTRANCE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="{icon}">
<meta http-equiv="refresh" content="0; url={root}">
</head>
<body><main><h1><a href="{root}">{title}</a></h1></main></body>
</html>
"""
REPOSITORY_BUTTONS = ("use_repository_button", "use_source_button")


def load_figure(path: str) -> LiveFigure | Explorer:
    """Import and make the figure that a dotted path names.

    Parameters
    ----------
    path : str
        "package.module:name", where the name is a LiveFigure, an Explorer or a
        function that makes one.

    Raises
    ------
    ValueError
        If there is no such module or name, or it gives no figure.
    """
    module_name, _, name = path.partition(":")
    try:
        figure = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"path={path!r} must name a live figure: {error}") from error
    figure = figure() if callable(figure) else figure
    if not isinstance(figure, LiveFigure | Explorer):
        raise ValueError(f"path={path!r} must give a live figure, not {figure!r}")
    return figure


class LiveDirective(SphinxDirective):
    """Place a live figure on a page: ```{live} package.module:name."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Insert the figure's HTML, or report the file and line of a wrong path."""
        try:
            figure = load_figure(self.arguments[0])
        except ValueError as error:
            raise self.error(str(error)) from error
        for name, module in list(sys.modules.items()):
            ours = name.startswith(("genai_lib.live", "genai_lib.reading"))
            if ours and getattr(module, "__file__", None):
                self.env.note_dependency(module.__file__)
        return [nodes.raw("", figure.to_html(), format="html")]


def set_theme(app: Sphinx, config: Config) -> None:
    """Show launch and source buttons only when the repository is known.

    The theme knows the hosts of `LINES` alone and stops at any other. Its button for
    Colab reads GitHub, and that for Binder no project of GitLab within a subgroup.
    """
    config.genai_live_digest = own_digest()
    options = config.html_theme_options
    # The sidebar holds a search field already.
    options.setdefault("navbar_persistent", [])
    repository = find_repository(Path(app.srcdir))
    host = urlsplit(repository.address).hostname if repository else None
    if host not in LINES:
        for key in ("repository_url", "repository_branch", *REPOSITORY_BUTTONS):
            options.pop(key, None)
        options["launch_buttons"] = {}
        return
    options["repository_url"] = repository.address
    options["repository_branch"] = repository.branch
    options.update(dict.fromkeys(REPOSITORY_BUTTONS, True))
    if host != "github.com":
        short = re.fullmatch("https://gitlab.com/[^/]+/[^/]+", repository.address)
        kept = options["launch_buttons"].items() if short else ()
        options["launch_buttons"] = {k: v for k, v in kept if k != "colab_url"}


def prepare_assets(app: Sphinx) -> None:
    """Write the static files before the first page asks for their checksums."""
    if app.builder.format == "html":
        write_assets(Path(app.outdir) / "_static")


def lighten_theme(app: Sphinx, error: Exception | None) -> None:
    """Empty the script that redraws icons, because the theme's fonts show them too."""
    scripts = Path(app.outdir) / "_static" / "scripts"
    if error is None and (scripts / "fontawesome.js").exists():
        (scripts / "fontawesome.js").write_text(NO_SCRIPT, encoding="utf-8")
        for source_map in scripts.glob("*.map"):
            source_map.unlink()


def write_entrance(app: Sphinx, error: Exception | None) -> None:
    """Write index.html, which redirects to the first page."""
    entrance = Path(app.outdir) / "index.html"
    root = f"{app.config.root_doc}.html"
    if error is None and app.builder.format == "html" and root != entrance.name:
        icon = f"_static/{Path(app.config.html_favicon or FAVICON).name}"
        title = html.escape(app.config.html_title)
        page = ENTRANCE.format(title=title, icon=icon, root=root)
        entrance.write_text(page, encoding="utf-8")


def finish_page(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Remove third-party scripts from a page and add the scripts of its figures."""
    # The builder adds a page's own scripts to this very list.
    context["script_files"][:] = [
        script for script in context["script_files"] if not mentions_thebe(script)
    ]
    body = THEBE_SETTINGS.sub("", LOADER.sub("", context.get("body", "")))
    context["body"] = body
    if FIGURE not in body:
        return
    app.add_css_file("genai/host.css")
    # Deferred scripts run in order: figures come alive before MathJax starts.
    first = {"loading_method": "defer", "priority": FIGURES_FIRST}
    if VEGA_FIGURE.search(body):
        app.add_js_file("genai/vega.js", **first)
    app.add_js_file("genai/host.js", **first, **{"data-genai-live": "host"})


def mentions_thebe(script: Any) -> bool:
    """Say whether a script belongs to Thebe, which would call a third party."""
    attributes = getattr(script, "attributes", {})
    return bool(THEBE.search(f"{script} {attributes.get('body', '')}"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.add_config_value("genai_live_digest", "", "html")
    app.add_directive("live", LiveDirective)
    app.add_css_file("genai/pages.css")
    app.connect("config-inited", set_theme, priority=10)
    app.connect("builder-inited", prepare_assets)
    app.connect("html-page-context", finish_page, priority=900)
    app.connect("build-finished", lighten_theme)
    app.connect("build-finished", write_entrance, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
