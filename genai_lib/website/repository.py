"""The address of the book's repository, as far as it is known at build time.

Tests    tests/website/test_repository.py

Without an address the book shows no launch buttons and no source links.
"""

import ipaddress
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

DEFAULT_BRANCH = "main"
LONGEST_WAIT = 10  # seconds, for git or ssh
COLAB = "https://colab.research.google.com/github"
# Each is reached under a second name too, by ssh or by a redirection.
FORGES = {
    "ssh.github.com": "github.com",
    "www.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
# How each of them addresses lines of a file; of other hosts nobody knows.
LINES = {
    "github.com": "{address}/blob/{branch}/{path}#L{first}-L{last}",
    "gitlab.com": "{address}/-/blob/{branch}/{path}#L{first}-{last}",
    "bitbucket.org": "{address}/src/{branch}/{path}#lines-{first}:{last}",
}
# user@host:path, as ssh has it. One letter is a drive; with a slash it is a folder.
SHORT_FORM = re.compile(r"(?:[^@/:]+@)?(?P<host>[^@/:\[\]]{2,}):(?!//)(?P<path>.+)")
# [user@host:port]:path, a short form that has a port.
WITH_PORT = re.compile(r"^\[(?P<start>[^\[\]]+?)(?::\d+)?\]:(?=[^:])")
LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
FULL_NAME = re.compile(rf"(?:{LABEL}\.)+(?:[a-z]{{2,}}|xn--[a-z0-9-]+)")
# Such as github.com.work or work.github.com: made up, for a second key of ssh.
NICKNAME = re.compile(
    r"(?:^|.*\.)(?:github\.com|gitlab\.com|bitbucket\.org)(?:[.-].*)?"
)
# Hosts that answer git alone, such as those of Azure and AWS.
NO_PAGE = re.compile(r"(?:ssh|altssh|vs-ssh|git-codecommit)\..*")


class Repository(NamedTuple):
    """Where the sources of the book can be read."""

    address: str
    branch: str


def web_address(remote: str) -> str | None:
    """Turn the address of a git remote into one for a browser, without credentials.

    A name that stands for a host in the settings of ssh is replaced by that host.
    Nothing is asked over a network.

    Parameters
    ----------
    remote : str

    Returns
    -------
    str or None
        None where no host is known that a browser can open.

    >>> web_address("git@github.com:owner/book.git")
    'https://github.com/owner/book'
    >>> web_address("https://name:secret@git.example.org:8443/owner/book.git")
    'https://git.example.org:8443/owner/book'
    >>> web_address("/srv/book.git") is None
    True
    """
    remote = WITH_PORT.sub(r"\g<start>:", remote.strip(), count=1)
    short_form = SHORT_FORM.fullmatch(remote)
    if short_form:
        start, path = _ssh_start(short_form["host"]), short_form["path"]
        if path.startswith("/") and start not in _starts_of_forges():
            return None  # a folder of that machine
    else:
        try:
            parts = urlsplit(remote)
            start, path = _start(parts.scheme, parts.hostname, parts.port), parts.path
        except ValueError:  # a bracket or a port that is none
            return None
    names = path.strip("/").removesuffix(".git").rstrip("/").split("/")
    return _joined(start, names) if start else None


def _joined(start: str, names: list[str]) -> str | None:
    """Put the names of a path behind a host, if they are those of a repository."""
    names = [name for name in names if name]
    wrong = any(name in (".", "..") or name.startswith("~") for name in names)
    most = 2 if start == "https://github.com" else len(names)
    if wrong or not 2 <= len(names) <= most:
        return None
    return "/".join([start, *(quote(name, safe="%+@") for name in names)])


def _starts_of_forges() -> set[str]:
    return {f"https://{name}" for name in FORGES.values()}


def _start(scheme: str, name: str | None, port: int | None) -> str | None:
    """Return what an address for a browser begins with, up to its path."""
    scheme = scheme.removeprefix("git+")
    if scheme == "ssh" and name:
        return _ssh_start(name)
    if scheme not in ("http", "https") or not name or _is_this_machine(name):
        return None
    name = name.rstrip(".")
    name = FORGES.get(name, name)
    if not re.fullmatch(r"[\w.-]+|[0-9a-f:.]+", name) or NO_PAGE.fullmatch(name):
        return None
    if name in FORGES.values():
        scheme, port = "https", None
    name = f"[{name}]" if ":" in name else name
    usual = port in (None, {"http": 80, "https": 443}[scheme])
    return f"{scheme}://{name}" if usual else f"{scheme}://{name}:{port}"


def _is_this_machine(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified or address.is_link_local


def _ssh_start(name: str) -> str | None:
    """Return the page of the host that ssh means by a name, if it can have one."""
    host = name.lower().rstrip(".")
    if host not in FORGES.values():
        host = real_host(name) or host
    host = FORGES.get(host, host)
    made_up = host not in FORGES.values() and NICKNAME.fullmatch(host)
    dead = made_up or NO_PAGE.fullmatch(host) or not FULL_NAME.fullmatch(host)
    return None if dead else f"https://{host}"


def real_host(name: str) -> str:
    """Return the host that the settings of ssh give a name, or an empty text.

    It may be the name itself. Only the settings are read: names are not looked up.
    """
    question = ("ssh", "-G", "-o", "CanonicalizeHostname=no", "--", name)
    found = re.search(r"^hostname (\S+)$", _ask(question, Path.cwd()), re.MULTILINE)
    return found[1].lower().rstrip(".") if found else ""


def colab_address(address: str, branch: str, place: str) -> str | None:
    """Return the address that opens a notebook in Colab, which reads GitHub alone.

    >>> colab_address("https://github.com/ada/book", "main", "chapters/a.ipynb")
    'https://colab.research.google.com/github/ada/book/blob/main/chapters/a.ipynb'
    """
    parts = urlsplit(address)
    if parts.hostname != "github.com":
        return None
    return f"{COLAB}{parts.path}/blob/{quote(branch)}/{quote(place)}"


def source_address(
    repository: Repository, path: str, first: int, last: int
) -> str | None:
    """Return the address that shows lines of a file; None where that is not known.

    >>> home = Repository("https://gitlab.com/ada/book", "main")
    >>> source_address(home, "genai_lib/files.py", 3, 9)
    'https://gitlab.com/ada/book/-/blob/main/genai_lib/files.py#L3-9'
    """
    form = LINES.get(urlsplit(repository.address).hostname)
    if form is None:
        return None
    return form.format(
        address=repository.address,
        branch=quote(repository.branch),
        path=quote(path),
        first=first,
        last=last,
    )


def ask_git(root: Path, *question: str) -> str:
    """Return what git answers, or an empty text."""
    return _ask(("git", *question), root)


def _ask(command: tuple[str, ...], root: Path) -> str:
    try:
        answer = subprocess.run(
            command,
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST_WAIT,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def find_branch(root: Path, environment: Mapping[str, str]) -> str:
    """Name the branch from the environment, git or convention."""
    base = environment.get("GITHUB_BASE_REF", "")
    reference = environment.get("GITHUB_REF", "")
    if base:
        return base
    if reference.startswith("refs/heads/"):
        return reference.removeprefix("refs/heads/")
    return ask_git(root, "branch", "--show-current") or DEFAULT_BRANCH


def find_repository(
    root: Path, environment: Mapping[str, str] = os.environ
) -> Repository | None:
    """Find the repository's address.

    Parameters
    ----------
    root : Path
        The folder of the book.
    environment : dict of str to str, default=os.environ
        Read for GENAI_BOOK_REPO, then GITHUB_SERVER_URL and GITHUB_REPOSITORY. Then
        git is asked for its remote "origin". What is not an address of the web may be
        an abbreviation that the settings of git explain (`insteadOf`).

    Returns
    -------
    Repository or None
        None when nobody knows an address that a browser can open.
    """
    remote = environment.get("GENAI_BOOK_REPO", "")
    if not remote and environment.get("GITHUB_REPOSITORY"):
        server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
        remote = f"{server}/{environment['GITHUB_REPOSITORY']}"
    if not remote.startswith(("http://", "https://")):
        question = ("ls-remote", "--get-url", "--", remote or "origin")
        remote = ask_git(root, *question) or remote
    address = web_address(remote)
    return Repository(address, find_branch(root, environment)) if address else None
