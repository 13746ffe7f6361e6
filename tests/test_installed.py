"""The wheel holds all of the library, and works from where it is installed."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "genai_lib"
# What setuptools builds from, and what must never reach a reader.
INPUTS = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT")
JUNK = ("__pycache__/old.pyc", "data/half.json.part")

# Runs where the library is installed: argument 1 is the folder, 2 the checkout.
READ_ALL = """
import json, sys
from pathlib import Path
from types import SimpleNamespace

folder, checkout = sys.argv[1:]
# The packages of the environment may lie in the checkout, the library may not.
sys.path = [folder] + [p for p in sys.path if Path(p).resolve() != Path(checkout)]
sys.meta_path = [m for m in sys.meta_path if "editable" not in repr(m)]

import safetensors

read = set()
sys.addaudithook(lambda event, about: event == "open" and read.add(str(about[0])))
safe_open = safetensors.safe_open

def noted_open(path, *arguments, **options):
    read.add(str(path))
    return safe_open(path, *arguments, **options)

safetensors.safe_open = noted_open

from genai_lib import live, source
from genai_lib.components.tokens.stored import load_tokenizer
from genai_lib.genres.encoder_decoder.stored import FIGURES, load_four_genres
from genai_lib.genres.gato.stored import load_specialists
from genai_lib.genres.encoder_only.stored import load_left_to_right, load_small_bert
from genai_lib.genres.decoder_only.stored import load_small_gpt
from genai_lib.components.embeddings import figure as embeddings
from genai_lib.components.vector_search import figure as vector_search
from genai_lib.genres.decoder_only import figure as decoder_only
from genai_lib.genres.encoder_decoder import figure as encoder_decoder
from genai_lib.website import assets
from genai_lib.genres.encoder_only import figure as encoder_only
from genai_lib.genres.inference import figure as inference
from genai_lib.reading.index import three_models
from genai_lib.website import extension

load_tokenizer(300)
load_four_genres()
load_specialists()
load_left_to_right()
load_small_bert()
load_small_gpt()
json.loads(FIGURES.read_text(encoding="utf-8"))
for figures in (decoder_only, encoder_decoder, encoder_only, inference, three_models):
    figures.stored()
embeddings.word_map().to_html()
vector_search.graph_walk().to_html()
assets.own_digest()
Path(live.__file__).with_name("interpreter.js").read_text(encoding="utf-8")
extension.note_style(None, SimpleNamespace())
source.show_source(load_tokenizer)
names = [m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "genai_lib"]
print(json.dumps({"modules": names, "read": sorted(read)}))
"""


def tracked(*paths):
    """List what git keeps below these paths, as names from the root."""
    command = ["git", "ls-files", "-z", *paths]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip("the book is not in a git repository")
    return [name for name in listed.stdout.decode().split("\0") if name]


def quiet(command, **options):
    """Run a command in the environment of a reader, and return what it printed."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(command, env=plain, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of what git keeps, with junk as in a checkout."""
    copy = tmp_path_factory.mktemp("copy")
    for name in [*INPUTS, *tracked(PACKAGE)]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
    for name in JUNK:
        (copy / PACKAGE / name).parent.mkdir(exist_ok=True)
        (copy / PACKAGE / name).write_text("junk")
    build = "import setuptools.build_meta as b; print(b.build_wheel('made'))"
    name = quiet([sys.executable, "-c", build], cwd=copy).split()[-1]
    return copy / "made" / name


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install it into an empty folder, and return a link to that folder."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index"]
    quiet([*pip, "--no-compile", "--target", folder / "real", wheel])
    (folder / "link").symlink_to(folder / "real", target_is_directory=True)
    return folder / "link"


def test_the_wheel_holds_every_tracked_file_and_no_other(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    held = {name for name in names if ".dist-info/" not in name}
    assert held == set(tracked(PACKAGE))


def test_every_stored_file_is_read_from_where_it_is_installed(installed, tmp_path):
    command = [sys.executable, "-I", "-c", READ_ALL, installed, ROOT]
    found = json.loads(quiet(command, cwd=tmp_path).splitlines()[-1])
    home = installed.resolve()
    assert all(Path(name).resolve().is_relative_to(home) for name in found["modules"])
    paths = [Path(name).resolve() for name in found["read"]]
    read = {p.relative_to(home).as_posix() for p in paths if p.is_relative_to(home)}
    others = (".py", "made.json")  # the record of makers serves the checkout alone
    stored = {name for name in tracked(PACKAGE) if not name.endswith(others)}
    assert stored <= read
