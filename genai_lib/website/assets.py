"""The files that the website needs beside its pages: Vega, MathJax and our own.

Tests    tests/website/test_figures.py
"""

import hashlib
import importlib.util
import shutil
from pathlib import Path

import vl_convert

HERE = Path(__file__).parent
OWN_FILES = ("host.js", "host.css", "pages.css")
MATHJAX_WHEEL = "sphinx-mathjax-offline"
MATHJAX_PARTS = ("tex-chtml-full.js", "output/chtml/fonts/woff-v2")
# The bundle's own global names would collide with those of Sphinx's scripts.
VEGA_SCRIPT = '(function () {{ "use strict";\n{bundle}\n}})();\n'
VEGA_EXPORT = "window.genaiVega = {embed: vegaEmbed};"


def own_digest() -> str:
    """Return a hash of our own files and of the version of Vega."""
    digest = hashlib.sha256(vl_convert.__version__.encode())
    for name in OWN_FILES:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def vega_script() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one classic script."""
    bundle = vl_convert.javascript_bundle(VEGA_EXPORT)
    return VEGA_SCRIPT.format(bundle=bundle)


def write_vega(folder: Path) -> None:
    """Write the bundle unless the folder holds this version of it."""
    mark = f"/* Vega bundle of vl-convert {vl_convert.__version__} */\n"
    target = folder / "vega.js"
    if target.exists():
        with target.open(encoding="utf-8") as file:
            if file.readline() == mark:
                return
    target.write_text(mark + vega_script(), encoding="utf-8")


def write_mathjax(folder: Path) -> None:
    """Copy the parts of MathJax that the book needs from the installed wheel."""
    found = importlib.util.find_spec(MATHJAX_WHEEL)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"install {MATHJAX_WHEEL}: the book's formulas need it")
    source = Path(found.origin).parent / "static" / "mathjax"
    for part in MATHJAX_PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, folder / part, dirs_exist_ok=True)
        else:
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / part, folder / part)


def write_assets(static: Path) -> None:
    """Write everything into the website's folder of static files."""
    own = static / "genai"
    own.mkdir(parents=True, exist_ok=True)
    for name in OWN_FILES:
        shutil.copyfile(HERE / name, own / name)
    write_vega(own)
    write_mathjax(static / "mathjax")
