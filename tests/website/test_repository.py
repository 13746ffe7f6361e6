"""Addresses of remotes: the host that a browser can open, or none at all."""

import subprocess

import pytest

from genai_lib.website import repository
from genai_lib.website.repository import (
    Repository,
    colab_address,
    find_branch,
    find_repository,
    source_address,
    web_address,
)

SSH = """\
#!/bin/sh
for name; do :; done
case "$*" in *CanonicalizeHostname=no*) ;; *) exit 1 ;; esac
case "$name" in
    github-work|gh|github.com-work) host=github.com ;;
    tunnel) host=SSH.GitHub.com ;;
    forge) host=git.example.org ;;
    number) host=140.82.121.4 ;;
    broken) exit 255 ;;
    slow) exec sleep 30 ;;
    *) host=$name ;;
esac
echo "host $name"
echo "user git"
echo "hostname $host"
"""


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """Put an ssh with a few names of its own before the real one."""
    folder = tmp_path / "commands"
    folder.mkdir()
    (folder / "ssh").write_text(SSH)
    (folder / "ssh").chmod(0o755)
    path = f"{folder}:/usr/local/bin:/usr/bin:/bin"
    monkeypatch.setenv("PATH", path)
    return folder / "ssh"


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@github-work:ada/book.git", "https://github.com/ada/book"),
        ("github-work:ada/book", "https://github.com/ada/book"),
        ("ssh://git@github-work/ada/book.git", "https://github.com/ada/book"),
        ("git@github.com-work:ada/book.git", "https://github.com/ada/book"),
        ("gh:ada/book", "https://github.com/ada/book"),
        ("ssh://git@tunnel:443/ada/book.git", "https://github.com/ada/book"),
        ("forge:group/sub/book.git/", "https://git.example.org/group/sub/book"),
        # Nobody knows these, so there is no host.
        ("git@unknown:ada/book.git", None),
        ("git@gitlab.com-home:ada/book.git", None),
        ("git@work.github.com:ada/book.git", None),
        ("git@github.com.work:ada/book.git", None),
        ("git@number:ada/book.git", None),
        ("git@broken:ada/book.git", None),
    ],
)
def test_names_of_ssh_become_the_host_they_stand_for(ssh, remote, address):
    assert web_address(remote) == address


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        (
            "ssh://git@git.example.org:2222/ada/book.git",
            "https://git.example.org/ada/book",
        ),
        ("git+ssh://me:secret@github.com/ada/book", "https://github.com/ada/book"),
        ("ssh://git@ssh.github.com:443/ada/book", "https://github.com/ada/book"),
        ("git@altssh.gitlab.com:ada/book.git", "https://gitlab.com/ada/book"),
        ("git@GitHub.com:ada/book.git", "https://github.com/ada/book"),
        ("git@github.com:/ada/book.git/", "https://github.com/ada/book"),
        ("org-7@github.com:ada/book.git", "https://github.com/ada/book"),
        ("git@github.example.com:ada/book", "https://github.example.com/ada/book"),
        ("https://host:8443/ada/book", "https://host:8443/ada/book"),
        ("https://me:a%40b@host:8443/ada/book.git/", "https://host:8443/ada/book"),
        ("https://git.example.org:443/a/b", "https://git.example.org/a/b"),
        ("http://git.example.org:80/a/b", "http://git.example.org/a/b"),
        ("http://git.example.org:8080/a/b/", "http://git.example.org:8080/a/b"),
        ("http://github.com/ada/book", "https://github.com/ada/book"),
        ("https://[2001:db8::1]:8443/a/b.git", "https://[2001:db8::1]:8443/a/b"),
        ("https://[2001:db8::1]/a/b", "https://[2001:db8::1]/a/b"),
        ("https://github.com//ada//book//", "https://github.com/ada/book"),
        ("https://github.com/ada/book.git?a=1#b", "https://github.com/ada/book"),
        ('https://host/ada/b"k', "https://host/ada/b%22k"),
        (" https://gitlab.com/g/s/b\n", "https://gitlab.com/g/s/b"),
        ("[git@git.example.org:2222]:ada/book.git", "https://git.example.org/ada/book"),
        ("[git@github.com]:ada/book", "https://github.com/ada/book"),
        ("https://www.github.com/ada/book", "https://github.com/ada/book"),
        ("https://github.com./ada/book", "https://github.com/ada/book"),
        ("https://ssh.github.com:443/ada/book.git", "https://github.com/ada/book"),
        # What a browser cannot open.
        ("ssh://git@[2001:db8::1]:2222/ada/book.git", None),
        ("git@[2001:db8::1]:ada/book.git", None),
        ("git@140.82.121.4:ada/book.git", None),
        ("[2001:db8::1]:ada/book.git", None),
        ("[git@git.example.org:2222]:/srv/git/book.git", None),
        ("git@ssh.dev.azure.com:v3/ada/books/book", None),
        ("ada@vs-ssh.visualstudio.com:v3/ada/books/book", None),
        ("https://git-codecommit.us-east-1.amazonaws.com/v1/repos/book", None),
        ("ada@server.example.org:/srv/git/book.git", None),
        ("ada@server.example.org:~/git/book.git", None),
        ("ssh://ada@server.example.org/~ada/book.git", None),
        ("https://localhost/ada/book", None),
        ("http://me@127.0.0.1:3000/git/ada/book", None),
        ("https://[::1]:8443/ada/book", None),
        ("https://github.com/ada/book/tree/main", None),
        ("https://github.com/ada/.git", None),
        ("https://github.com/../book", None),
        ("https://host:99999/a/b", None),
        ("https://host:port/a/b", None),
        ("https://[::1/a/b", None),
        ('https://ho"st/a/b', None),
        ("git@-oProxyCommand=x:a/b", None),
        ("ext::sh -c x", None),
        ("./a:b/c", None),
        ("../a/b", None),
        ("C:/books/book", None),
        ("D:book/x", None),
        ("file://host/srv/book", None),
    ],
)
def test_every_address_is_whole_or_none(ssh, remote, address):
    assert web_address(remote) == address


def test_an_ssh_that_hangs_or_is_missing_costs_no_more_than_the_buttons(
    ssh, monkeypatch
):
    monkeypatch.setattr(repository, "LONGEST_WAIT", 0.2)
    assert web_address("git@slow:ada/book.git") is None
    ssh.unlink()
    monkeypatch.setenv("PATH", str(ssh.parent))
    assert web_address("git@github-work:ada/book.git") is None
    assert web_address("git@git.example.org:a/b") == "https://git.example.org/a/b"


@pytest.fixture
def clone(tmp_path, monkeypatch, ssh):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))

    def git(*command):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--initial-branch=trunk")
    for short, long in {
        "hub:": "git@github.com:",
        "work/": "ssh://git@github-work/",
        "lab:": "https://me:secret@git.example.org:8443/",
        "disk:": "/srv/git/",
    }.items():
        git("config", f"url.{long}.insteadOf", short)
    git("remote", "add", "origin", "nothing")
    return lambda address: git("remote", "set-url", "origin", address)


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("hub:ada/book", "https://github.com/ada/book"),
        ("work/ada/book.git", "https://github.com/ada/book"),
        ("lab:ada/book.git", "https://git.example.org:8443/ada/book"),
        ("disk:ada/book", None),
        ("other:ada/book", None),
        ("https://github.com/ada/book.git", "https://github.com/ada/book"),
    ],
)
def test_abbreviations_of_git_are_followed(clone, tmp_path, remote, address):
    clone(remote)
    for environment in ({}, {"GENAI_BOOK_REPO": remote}):
        found = find_repository(tmp_path, environment)
        assert (found.address if found else None) == address


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("https://github.com/a/b", "/blob/x%23y/z/d%20e.py#L3-L9"),
        ("https://gitlab.com/g/s/b", "/-/blob/x%23y/z/d%20e.py#L3-9"),
        ("https://bitbucket.org/a/b", "/src/x%23y/z/d%20e.py#lines-3:9"),
        ("https://git.example.org/a/b", None),
        ("https://github.example.com/a/b", None),
        ("https://notgitlab.com/github.com/b", None),
        ("https://[2001:db8::1]:8443/a/b", None),
    ],
)
def test_lines_of_a_file_are_linked_where_the_form_is_known(address, place):
    found = source_address(Repository(address, "x#y/z"), "d e.py", 3, 9)
    assert found == (place and address + place)


def test_every_forge_has_a_form_of_its_own():
    assert set(repository.LINES) == set(repository.FORGES.values())


@pytest.mark.parametrize(
    ("environment", "branch"),
    [
        ({"GITHUB_REF": "refs/pull/7/merge", "GITHUB_BASE_REF": "stable"}, "stable"),
        ({"GITHUB_REF": "refs/heads/next"}, "next"),
        ({"GITHUB_REF": "refs/tags/v1"}, "trunk"),
        ({}, "trunk"),
    ],
)
def test_the_branch_is_that_of_the_build(clone, tmp_path, environment, branch):
    assert find_branch(tmp_path, environment) == branch


def test_without_git_the_branch_is_main(tmp_path):
    assert find_branch(tmp_path / "nowhere", {}) == "main"


def test_colab_reads_github_alone():
    for address in (
        "https://notgithub.com/ada/book",
        "https://git.example.org/github.com/ada/book",
        "https://github.example.com/ada/book",
        "https://gitlab.com/ada/book",
    ):
        assert colab_address(address, "main", "a.ipynb") is None
    assert colab_address("https://github.com/ada/book", "a#b/c", "d e.ipynb") == (
        "https://colab.research.google.com/github/ada/book/blob/a%23b/c/d%20e.ipynb"
    )
