"""The address of the book's repository, as far as it is known at build time.

Tests    tests/website/test_figures.py

Without an address the book shows no launch buttons and no source links.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

DEFAULT_BRANCH = "main"


class Repository(NamedTuple):
    """Where the sources of the book can be read."""

    address: str
    branch: str


def web_address(remote: str) -> str | None:
    """Turn the address of a git remote into one for a browser, without credentials.

    >>> web_address("git@github.com:owner/book.git")
    'https://github.com/owner/book'
    >>> web_address("https://name:secret@github.com/owner/book.git")
    'https://github.com/owner/book'
    >>> web_address("/srv/book.git") is None
    True
    """
    short_form = re.fullmatch(r"(?:[^@/:]+@)?([^/:]{2,}):(?!//)(.+)", remote.strip())
    if short_form:
        host, path = short_form.groups()
    else:
        parts = urlsplit(remote.strip())
        if parts.scheme not in ("http", "https", "ssh", "git+ssh"):
            return None
        host, path = parts.hostname, parts.path
    path = path.strip("/").removesuffix(".git")
    return f"https://{host}/{path}" if host and "/" in path else None


def ask_git(root: Path, *question: str) -> str:
    """Return what git answers, or an empty text."""
    try:
        answer = subprocess.run(
            ["git", *question], cwd=root, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
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
        the git remote "origin" is asked.

    Returns
    -------
    Repository or None
        None when nobody knows an address that a browser can open.
    """
    remote = environment.get("GENAI_BOOK_REPO", "")
    if not remote and environment.get("GITHUB_REPOSITORY"):
        server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
        remote = f"{server}/{environment['GITHUB_REPOSITORY']}"
    if not remote:
        remote = ask_git(root, "remote", "get-url", "origin")
    address = web_address(remote)
    return Repository(address, find_branch(root, environment)) if address else None
