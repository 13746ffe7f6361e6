"""The Sphinx extension: addresses, scripts of a page, figures by name."""

import gzip
import subprocess
import sys
from types import SimpleNamespace

import pytest

from genai_lib.live.figure import LiveFigure
from genai_lib.website import assets, repository
from genai_lib.website import figures as extension
from genai_lib.website.repository import find_repository, web_address
from tests.browser import ROOT
from tests.live.library import FIGURES

VEGA_BODY = FIGURES["temperature"].to_html()
FRAMES_BODY = '<figure class="genai-live" data-kind="frames"></figure>'


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@github.com:owner/book.git", "https://github.com/owner/book"),
        ("git@gitlab.com:group/sub/book", "https://gitlab.com/group/sub/book"),
        ("https://github.com/owner/book.git", "https://github.com/owner/book"),
        ("https://github.com/owner/book/", "https://github.com/owner/book"),
        ("https://me:secret@github.com/o/b.git", "https://github.com/o/b"),
        ("https://token@github.com/o/b", "https://github.com/o/b"),
        ("ssh://git@github.com:22/owner/book.git", "https://github.com/owner/book"),
        ("/srv/git/book.git", None),
        ("../book", None),
        ("file:///srv/book.git", None),
        (r"C:\books\book", None),
        ("", None),
        ("https://github.com/", None),
    ],
)
def test_remotes_become_addresses_without_credentials(remote, address):
    assert web_address(remote) == address


@pytest.fixture
def clone(tmp_path):
    def git(*command):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--initial-branch=trunk")
    git("remote", "add", "origin", "https://me:secret@github.com/from/git.git")
    return tmp_path


def test_git_remote_is_the_last_to_be_asked(clone):
    assert find_repository(clone, {}) == ("https://github.com/from/git", "trunk")
    hosted = {"GITHUB_REPOSITORY": "from/actions", "GITHUB_REF": "refs/heads/next"}
    assert find_repository(clone, hosted) == (
        "https://github.com/from/actions",
        "next",
    )
    hosted["GITHUB_SERVER_URL"] = "https://git.example.org"
    assert find_repository(clone, hosted).address == (
        "https://git.example.org/from/actions"
    )
    chosen = hosted | {"GENAI_BOOK_REPO": "git@github.com:from/choice.git"}
    assert find_repository(clone, chosen).address == "https://github.com/from/choice"


def test_pull_requests_point_to_their_base(clone):
    hosted = {"GITHUB_REF": "refs/pull/7/merge", "GITHUB_BASE_REF": "stable"}
    assert find_repository(clone, hosted).branch == "stable"


def test_nobody_knows_the_repository(tmp_path):
    assert find_repository(tmp_path, {}) is None


def configure(monkeypatch, found):
    monkeypatch.setattr(extension, "find_repository", lambda root: found)
    options = {
        "launch_buttons": {
            "colab_url": "https://colab.research.google.com",
            "binderhub_url": "https://mybinder.org",
        },
        "repository_url": "https://github.com/executablebooks/jupyter-book",
        "use_repository_button": True,
    }
    config = SimpleNamespace(html_theme_options=options)
    extension.set_theme(SimpleNamespace(srcdir="."), config)
    return options


def test_without_an_address_there_are_no_buttons(monkeypatch):
    options = configure(monkeypatch, None)
    assert options["launch_buttons"] == {}
    assert "repository_url" not in options
    assert "use_repository_button" not in options


def test_with_an_address_buttons_point_to_it(monkeypatch):
    found = repository.Repository("https://github.com/owner/book", "next")
    options = configure(monkeypatch, found)
    assert options["launch_buttons"]
    assert options["repository_url"] == "https://github.com/owner/book"
    assert options["repository_branch"] == "next"
    assert options["use_repository_button"]


@pytest.mark.parametrize(
    ("address", "launchers"),
    [
        ("https://github.com/a/b", {"colab_url", "binderhub_url"}),
        ("https://gitlab.com/a/b", {"binderhub_url"}),
        ("https://gitlab.com/group/a/b", set()),
        ("https://bitbucket.org/a/b", set()),
    ],
)
def test_each_forge_gets_the_buttons_that_work_there(monkeypatch, address, launchers):
    options = configure(monkeypatch, repository.Repository(address, "main"))
    assert options["repository_url"] == address
    assert options["launch_buttons"].keys() == launchers


@pytest.mark.parametrize(
    "address", ["https://git.example.org/a/b", "https://github.example.com/a/b"]
)
def test_a_host_that_the_theme_does_not_know_gets_no_buttons(monkeypatch, address):
    """The theme stops the build with an error at its address."""
    options = configure(monkeypatch, repository.Repository(address, "main"))
    assert options == {"launch_buttons": {}, "navbar_persistent": []}


def finish(body, scripts=()):
    added = []
    app = SimpleNamespace(
        add_css_file=lambda name, **_: added.append(name),
        add_js_file=lambda name, **options: added.append((name, options)),
    )
    context = {"body": body, "script_files": list(scripts)}
    extension.finish_page(app, "page", "page.html", context, None)
    return context, added


def names(added):
    return [item if isinstance(item, str) else item[0] for item in added]


def test_scripts_go_only_to_pages_that_need_them():
    assert names(finish("<p>No figure.</p>")[1]) == []
    frames = names(finish(FRAMES_BODY)[1])
    assert frames == ["genai/host.css", "genai/host.js"]
    vega = names(finish(VEGA_BODY)[1])
    assert vega == ["genai/host.css", "genai/vega.js", "genai/host.js"]


def test_host_script_is_marked_for_the_loader():
    _, added = finish(VEGA_BODY)
    assert added[-1][1]["data-genai-live"]


def test_loader_is_stripped_and_the_figure_kept():
    context, _ = finish(VEGA_BODY)
    assert "data-genai-loader" in VEGA_BODY
    assert "cdn.jsdelivr.net" in VEGA_BODY
    assert "data-genai-loader" not in context["body"]
    assert "cdn.jsdelivr.net" not in context["body"]
    assert context["body"].count("<script") == 1
    assert context["body"].count("<img") == 1
    assert context["body"].rstrip().endswith("</figure>")


def test_thebe_is_removed_from_a_page():
    settings = '<script type="text/x-thebe-config">\n{}\n</script>'
    inline = SimpleNamespace(attributes={"body": 'const THEBE_JS_URL = "https://"'})
    kept = SimpleNamespace(attributes={"body": "let a = 1"})
    context, _ = finish(
        f"<p>Text.</p>{settings}", ["_static/sphinx-thebe.js", inline, kept, "a.js"]
    )
    assert context["script_files"] == [kept, "a.js"]
    assert context["body"] == "<p>Text.</p>"


def test_figures_are_found_by_name():
    figure = extension.load_figure("genai_lib.reading.index.temperature:temperature")
    assert isinstance(figure, LiveFigure)
    assert figure.name == "temperature"


@pytest.mark.parametrize(
    "path",
    [
        "genai_lib.reading.index.temperature:absent",
        "genai_lib.live.absent:temperature",
        "genai_lib.reading.index.temperature",
        "genai_lib.reading.index.temperature:HEIGHT",
        ":temperature",
    ],
)
def test_unknown_figures_are_refused(path):
    with pytest.raises(ValueError, match=f"path='{path}'"):
        extension.load_figure(path)


def test_the_website_is_built_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None; "
        "import genai_lib.website.figures; "
        "import genai_lib.reading.index.temperature as figures; "
        "figures.temperature().to_html()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_vega_stays_in_a_scope_of_its_own_and_is_light():
    script = assets.vega_script()
    assert script.startswith("(function () {")
    assert script.rstrip().endswith("})();")
    own = script + "".join(
        (assets.HERE / name).read_text(encoding="utf-8") for name in assets.OWN_FILES
    )
    assert len(gzip.compress(own.encode())) <= 400_000


def test_static_files_are_refreshed(tmp_path):
    assets.write_assets(tmp_path)
    assert (tmp_path / "mathjax" / "tex-chtml-full.js").stat().st_size > 1_000_000
    for name in assets.OWN_FILES:
        (tmp_path / "genai" / name).write_text("old", encoding="utf-8")
    (tmp_path / "genai" / "vega.js").write_text("/* old */\n", encoding="utf-8")
    assets.write_assets(tmp_path)
    for name in assets.OWN_FILES:
        wanted = (assets.HERE / name).read_bytes()
        assert (tmp_path / "genai" / name).read_bytes() == wanted
    assert (tmp_path / "genai" / "vega.js").stat().st_size > 500_000
